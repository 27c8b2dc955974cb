/* A simulated board, and what the library asks of it. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       NO_PERMISSION = 4, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };
enum { MAX_BOARDS = 16, MAX_STEPS = 65536, MAX_PIDS = 32, MAX_SLICES = 8, MAX_FAULTS = 8 };

typedef struct { double from_s, to_s; int code; } Refusal;
typedef struct { double at_s, fall_mj; } Fall;
typedef struct { int policy; double from_s, to_s; } Violation;
/* Power in steps that repeat for ever: when each ends, and the sum and the lagged power until there. */
typedef struct { int count; double *end_s, *watts, *sum_j, *lagged_w; } Steps;
typedef struct Board Board;
typedef struct { int magic; char uuid[96]; Board *parent; int pids; unsigned pid[4]; } Slice;

struct Board {
    int magic; /* tells a board's handle from a slice's */
    char uuid[96], name[96];
    double tick_s, jitter, phase_s, delay_s, delay_jitter_s, offset_mj, average_s, gain, noise_w, duty, lag_s, module_w, limit_w, temperature;
    double call_s; /* how long a call of the energy counter takes */
    double default_limit_w, min_limit_w, max_limit_w; /* 0: as limit_w, which is the limit when the driver is loaded */
    int max_clock_mhz, persistence, settable; /* whether settings outlive the last user; whether there are any */
    double utilization, work_w; /* percent at rest; watts that it draws more while it works */
    double lost_at_s;
    int reachable, counter, instant, power, architecture, throttle_reasons, supported_reasons;
    uint64_t seed;
    int counts_shown, counts_violations, pids, slices, refusals, falls, violations;
    int64_t seen_tick; /* with a duty below 1: the tick up to which seen_mj has been summed */
    double seen_mj;
    Steps drawn, shown; /* what the board draws; what its power fields show, where that is another trace */
    unsigned pid[MAX_PIDS];
    Slice slice[MAX_SLICES];
    Refusal refusal[MAX_FAULTS];
    Fall fall[MAX_FAULTS];
    Violation violation[MAX_FAULTS];
};

enum { BOARD_MAGIC = 0x0b0a4d };

extern Board board[MAX_BOARDS];
extern int boards, users; /* how many boards there are; how often the library was opened */
extern double origin_s;
extern char driver[80];

/* What users of the driver have set; it lives in a file where the description names one, so that processes share it. */
typedef struct { double limit_w; int low_mhz, high_mhz; } Setting;
enum { LOWEST_MHZ = 210, CLOCK_STEP_MHZ = 15, MEMORY_MHZ = 2619 };
extern int permitted; /* whether this user may change settings */
void open_settings(void); /* a user comes: the first one finds the defaults, unless they are persistent */
void close_settings(void);
Setting setting(const Board *b);
void change(const Board *b, Setting to);

double now_s(void); /* seconds after the origin */
int refused(const Board *b); /* the code with which a call about the board fails now; 0 if it does not */
uint64_t counter_mj(Board *b, int module);
uint64_t violation_ns(const Board *b, int policy);
unsigned power_mw(const Board *b, int average, int module);
double utilization(const Board *b);
int read_file(const char *path);

#endif
