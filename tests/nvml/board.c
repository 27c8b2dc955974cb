/* The physics of simulated boards, and the file that describes them. */
#include "board.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

Board board[MAX_BOARDS];
int boards, users;
double origin_s;
char driver[80];
static double gone_at_s;
static char work_file[512], draw_file[512], settings_file[512];
static int settings_fd = -1;
static Setting in_memory[MAX_BOARDS];
int permitted = 1;

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9 - origin_s;
}

/* A fixed number in [0, 1) for each (seed, k): splitmix64. */
static double fixed(uint64_t seed, int64_t k)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15ULL + (uint64_t)k * 0xbf58476d1ce4e5b9ULL + 0x94d049bb133111ebULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static int step_at(const Steps *of, double inside_s)
{
    int low = 0, high = of->count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (of->end_s[middle] > inside_s) high = middle; else low = middle + 1;
    }
    return low;
}

/* Where t falls into: the step, and the seconds since it began; the trace also reaches back before the origin. */
static int inside(const Steps *of, double t, double *since_s, double *cycles)
{
    double period_s = of->end_s[of->count - 1], inside_s;
    *cycles = floor(t / period_s);
    inside_s = t - *cycles * period_s;
    int i = step_at(of, inside_s);
    *since_s = inside_s - (i ? of->end_s[i - 1] : 0);
    return i;
}

/* Power behind a first-order lag: y' = (x - y) / lag. */
static double lagged_w(const Steps *of, int i, double since_s, double lag_s)
{
    double before_w = of->lagged_w[i ? i - 1 : of->count - 1];
    return of->watts[i] + (before_w - of->watts[i]) * exp(-since_s / lag_s);
}

/* Seconds until t in which work was running, and whether it is at t: a file of times at which it began and ended. */
static double work_s(double t, int *running)
{
    double times_s[4096], total_s = 0;
    FILE *file = work_file[0] ? fopen(work_file, "rb") : NULL;
    size_t count = file ? fread(times_s, sizeof(double), 4096, file) : 0;
    if (file) fclose(file);
    *running = 0;
    for (size_t i = 0; i < count && times_s[i] < t; i += 2) {
        *running = i + 1 == count || times_s[i + 1] > t;
        total_s += (*running ? t : times_s[i + 1]) - times_s[i];
    }
    return total_s;
}

/* What a server draws besides, and its energy since the origin: a file of times, each with the watts from then on. */
static double drawn_w(double t, double *sum_j)
{
    double steps[8192], watts = 0;
    FILE *file = draw_file[0] ? fopen(draw_file, "rb") : NULL;
    size_t count = file ? fread(steps, 2 * sizeof(double), 4096, file) : 0;
    if (file) fclose(file);
    *sum_j = 0;
    for (size_t i = 0; i < count && steps[2 * i] < t; i++) {
        double end_s = i + 1 < count && steps[2 * i + 2] < t ? steps[2 * i + 2] : t;
        watts = steps[2 * i + 1];
        *sum_j += (end_s - steps[2 * i]) * watts;
    }
    return watts;
}

/* Joules from the origin to t as the sensor sees them; what a lag holds back is lag * y. */
static double energy_j(const Board *b, const Steps *of, double t)
{
    double since_s, cycles;
    int i = inside(of, t, &since_s, &cycles);
    double j = cycles * of->sum_j[of->count - 1] + (i ? of->sum_j[i - 1] : 0) + since_s * of->watts[i];
    if (b->lag_s > 0) j -= b->lag_s * (lagged_w(of, i, since_s, b->lag_s) - of->lagged_w[of->count - 1]);
    int running;
    if (b->work_w > 0) j += b->work_w * work_s(t, &running);
    double besides_j;
    drawn_w(t, &besides_j);
    return b->gain * (j + besides_j);
}

static double power_w(const Board *b, const Steps *of, double t)
{
    double since_s, cycles;
    int i = inside(of, t, &since_s, &cycles), running = 0;
    if (b->work_w > 0) work_s(t, &running);
    double besides_j;
    return b->gain * (drawn_w(t, &besides_j) + running * b->work_w) + b->gain * (b->lag_s > 0 ? lagged_w(of, i, since_s, b->lag_s) : of->watts[i]);
}

/* The lagged power at the end of each step; of a trace that has repeated for ever. */
static void settle(Board *b, Steps *of)
{
    double begin_s = 0, w = 0, kept = 1;
    if (!of->count || b->lag_s <= 0) return;
    for (int twice = 0; twice < 2; twice++, begin_s = 0)
        for (int i = 0; i < of->count; begin_s = of->end_s[i++]) {
            double share = exp(-(of->end_s[i] - begin_s) / b->lag_s);
            w = of->watts[i] + (w - of->watts[i]) * share;
            of->lagged_w[i] = w;
            if (!twice) kept *= share;
            if (!twice && i == of->count - 1) w /= 1 - kept;
        }
}

/* What the power fields show, and what the counter counts. */
static const Steps *shown(const Board *b) { return b->shown.count ? &b->shown : &b->drawn; }
static const Steps *counted(const Board *b) { return b->counts_shown && b->shown.count ? &b->shown : &b->drawn; }

static double sampled_s(const Board *b, int64_t k)
{
    return b->phase_s + ((double)k + b->jitter * (fixed(b->seed, k) - 0.5)) * b->tick_s;
}

static double visible_s(const Board *b, int64_t k)
{
    return sampled_s(b, k) + b->delay_s + b->delay_jitter_s * fixed(b->seed + 1, k);
}

/* The latest tick that is visible at t. */
static int64_t tick_at(const Board *b, double t)
{
    int64_t k = (int64_t)floor((t - b->phase_s) / b->tick_s) + 1;
    while (visible_s(b, k) > t) k--;
    return k;
}

int refused(const Board *b)
{
    double t = now_s();
    if (users == 0 || t >= gone_at_s) return UNINITIALIZED;
    if (b == NULL || b->magic != BOARD_MAGIC) return INVALID_ARGUMENT;
    if (t >= b->lost_at_s) return GPU_IS_LOST;
    for (int i = 0; i < b->refusals; i++)
        if (t >= b->refusal[i].from_s && t < b->refusal[i].to_s) return b->refusal[i].code;
    return SUCCESS;
}

/* What a sensor makes of the energy until tick k that looks only at the last part of each tick. */
static double seen_mj(Board *b, int64_t k)
{
    const Steps *of = counted(b);
    if (b->duty >= 1) return energy_j(b, of, sampled_s(b, k)) * 1000;
    while (b->seen_tick < k) {
        double end_s = sampled_s(b, ++b->seen_tick), begin_s = end_s - b->duty * b->tick_s;
        double tick_s = end_s - sampled_s(b, b->seen_tick - 1);
        b->seen_mj += (energy_j(b, of, end_s) - energy_j(b, of, begin_s)) / (b->duty * b->tick_s) * tick_s * 1000;
    }
    return b->seen_mj;
}

uint64_t counter_mj(Board *b, int module)
{
    int64_t k = tick_at(b, now_s());
    double t = sampled_s(b, k), mj = b->offset_mj + seen_mj(b, k) + (module ? b->module_w * t * 1000 : 0);
    for (int i = 0; i < b->falls; i++)
        if (t >= b->fall[i].at_s) /* a fall of 0 is a reset: counting starts again there */
            mj -= b->fall[i].fall_mj != 0 ? b->fall[i].fall_mj : b->offset_mj + energy_j(b, counted(b), b->fall[i].at_s) * 1000;
    return mj > 0 ? (uint64_t)mj : 0;
}

unsigned power_mw(const Board *b, int average, int module)
{
    int64_t k = tick_at(b, now_s());
    double t = sampled_s(b, k);
    double w = average ? (energy_j(b, shown(b), t) - energy_j(b, shown(b), t - b->average_s)) / b->average_s
                       : power_w(b, shown(b), t);
    w += module ? b->module_w : 0;
    w += b->noise_w * (fixed(b->seed + 2, k) * 2 - 1);
    return w > 0 ? (unsigned)(w * 1000) : 0;
}

double utilization(const Board *b)
{
    int running = 0;
    if (b->work_w > 0) work_s(now_s(), &running);
    return running ? 100 : b->utilization;
}

static Setting defaults(const Board *b) { return (Setting){b->limit_w, 0, 0}; }

void open_settings(void)
{
    for (int i = 0; i < boards; i++) in_memory[i] = defaults(&board[i]);
    if (!settings_file[0]) return;
    settings_fd = open(settings_file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (settings_fd < 0) return;
    /* Alone: the driver was unloaded since the last user left, and forgot what was set, unless it is persistent. */
    if (flock(settings_fd, LOCK_EX | LOCK_NB) == 0)
        for (int i = 0; i < boards; i++) {
            Setting s;
            if (!board[i].persistence || pread(settings_fd, &s, sizeof s, i * (off_t)sizeof s) != sizeof s) change(&board[i], defaults(&board[i]));
        }
    flock(settings_fd, LOCK_SH);
}

void close_settings(void)
{
    if (settings_fd >= 0) close(settings_fd);
    settings_fd = -1;
}

Setting setting(const Board *b)
{
    Setting s = in_memory[b - board];
    if (settings_fd >= 0 && pread(settings_fd, &s, sizeof s, (b - board) * (off_t)sizeof s) != sizeof s) s = defaults(b);
    return s;
}

void change(const Board *b, Setting to)
{
    in_memory[b - board] = to;
    if (settings_fd >= 0 && pwrite(settings_fd, &to, sizeof to, (b - board) * (off_t)sizeof to) < 0) abort();
}

/* Nanoseconds until now in which the clock was held down for a reason. */
uint64_t violation_ns(const Board *b, int policy)
{
    double total_s = 0, t = now_s();
    for (int i = 0; i < b->violations; i++) {
        const Violation *v = &b->violation[i];
        if (v->policy == policy && t > v->from_s) total_s += (t < v->to_s ? t : v->to_s) - v->from_s;
    }
    return (uint64_t)(total_s * 1e9);
}

static void add_step(Steps *to, const char *rest)
{
    double seconds = 0, watts = 0;
    int i = to->count;
    if (i >= MAX_STEPS) return;
    if (!to->watts) {
        to->end_s = calloc(MAX_STEPS, sizeof(double)), to->sum_j = calloc(MAX_STEPS, sizeof(double));
        to->watts = calloc(MAX_STEPS, sizeof(double)), to->lagged_w = calloc(MAX_STEPS, sizeof(double));
    }
    sscanf(rest, "%lf %lf", &seconds, &watts);
    to->end_s[i] = (i ? to->end_s[i - 1] : 0) + seconds;
    to->sum_j[i] = (i ? to->sum_j[i - 1] : 0) + seconds * watts;
    to->watts[i] = watts;
    to->count++;
}

static void forget(Steps *of) { free(of->end_s), free(of->sum_j), free(of->watts), free(of->lagged_w); }

static void set(Board *b, const char *key, char *rest)
{
    double v = atof(rest);
    if (!strcmp(key, "uuid")) snprintf(b->uuid, sizeof b->uuid, "%s", rest);
    else if (!strcmp(key, "name")) snprintf(b->name, sizeof b->name, "%s", rest);
    else if (!strcmp(key, "tick_s")) b->tick_s = v;
    else if (!strcmp(key, "jitter")) b->jitter = v;
    else if (!strcmp(key, "phase_s")) b->phase_s = v;
    else if (!strcmp(key, "delay_s")) b->delay_s = v;
    else if (!strcmp(key, "delay_jitter_s")) b->delay_jitter_s = v;
    else if (!strcmp(key, "offset_mj")) b->offset_mj = v;
    else if (!strcmp(key, "average_s")) b->average_s = v;
    else if (!strcmp(key, "utilization")) b->utilization = v;
    else if (!strcmp(key, "work_w")) b->work_w = v;
    else if (!strcmp(key, "gain")) b->gain = v;
    else if (!strcmp(key, "noise_w")) b->noise_w = v;
    else if (!strcmp(key, "duty")) b->duty = v;
    else if (!strcmp(key, "lag_s")) b->lag_s = v;
    else if (!strcmp(key, "counts_shown")) b->counts_shown = (int)v;
    else if (!strcmp(key, "counts_violations")) b->counts_violations = (int)v;
    else if (!strcmp(key, "call_s")) b->call_s = v;
    else if (!strcmp(key, "module_w")) b->module_w = v;
    else if (!strcmp(key, "limit_w")) b->limit_w = v;
    else if (!strcmp(key, "default_limit_w")) b->default_limit_w = v;
    else if (!strcmp(key, "min_limit_w")) b->min_limit_w = v;
    else if (!strcmp(key, "max_limit_w")) b->max_limit_w = v;
    else if (!strcmp(key, "max_clock_mhz")) b->max_clock_mhz = (int)v;
    else if (!strcmp(key, "persistence")) b->persistence = (int)v;
    else if (!strcmp(key, "settable")) b->settable = (int)v;
    else if (!strcmp(key, "temperature_celsius")) b->temperature = v;
    else if (!strcmp(key, "lost_at_s")) b->lost_at_s = v;
    else if (!strcmp(key, "reachable")) b->reachable = (int)v;
    else if (!strcmp(key, "counter")) b->counter = (int)v;
    else if (!strcmp(key, "instant")) b->instant = (int)v;
    else if (!strcmp(key, "power")) b->power = (int)v;
    else if (!strcmp(key, "architecture")) b->architecture = (int)v;
    else if (!strcmp(key, "throttle_reasons")) b->throttle_reasons = (int)v;
    else if (!strcmp(key, "supported_reasons")) b->supported_reasons = (int)v;
    else if (!strcmp(key, "seed")) b->seed = (uint64_t)v;
    else if (!strcmp(key, "pid") && b->pids < MAX_PIDS) b->pid[b->pids++] = (unsigned)v;
    else if (!strcmp(key, "slice") && b->slices < MAX_SLICES) {
        Slice *s = &b->slice[b->slices++];
        snprintf(s->uuid, sizeof s->uuid, "%s", rest);
        s->parent = b;
    } else if (!strcmp(key, "slicepid") && b->slices) {
        Slice *s = &b->slice[b->slices - 1];
        if (s->pids < 4) s->pid[s->pids++] = (unsigned)v;
    } else if (!strcmp(key, "refuse") && b->refusals < MAX_FAULTS) {
        Refusal *r = &b->refusal[b->refusals++];
        sscanf(rest, "%lf %lf %d", &r->from_s, &r->to_s, &r->code);
    } else if (!strcmp(key, "fall") && b->falls < MAX_FAULTS) {
        Fall *f = &b->fall[b->falls++];
        sscanf(rest, "%lf %lf", &f->at_s, &f->fall_mj);
    } else if (!strcmp(key, "violation") && b->violations < MAX_FAULTS) {
        Violation *w = &b->violation[b->violations++];
        sscanf(rest, "%d %lf %lf", &w->policy, &w->from_s, &w->to_s);
    } else if (!strcmp(key, "step")) add_step(&b->drawn, rest);
    else if (!strcmp(key, "shown")) add_step(&b->shown, rest);
}

static Board *add_board(void)
{
    Board *b = &board[boards++];
    forget(&b->drawn), forget(&b->shown);
    memset(b, 0, sizeof *b);
    b->magic = BOARD_MAGIC;
    b->tick_s = 0.1, b->gain = b->duty = 1, b->average_s = 1, b->limit_w = 700, b->utilization = 50, b->temperature = 40, b->lost_at_s = INFINITY;
    b->reachable = b->counter = b->instant = b->power = b->counts_violations = b->persistence = b->settable = 1, b->architecture = 9, b->max_clock_mhz = 1980;
    return b;
}

int read_file(const char *path)
{
    char line[512], key[64];
    int length;
    Board *b = NULL;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return DRIVER_NOT_LOADED;
    boards = 0, origin_s = 0, gone_at_s = INFINITY, work_file[0] = draw_file[0] = settings_file[0] = 0, permitted = 1;
    snprintf(driver, sizeof driver, "550.00");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%63s %n", key, &length) < 1) continue;
        if (!strcmp(key, "board")) b = boards < MAX_BOARDS ? add_board() : b;
        else if (!strcmp(key, "origin_s")) origin_s = atof(line + length);
        else if (!strcmp(key, "gone_at_s")) gone_at_s = atof(line + length);
        else if (!strcmp(key, "work_file")) snprintf(work_file, sizeof work_file, "%s", line + length);
        else if (!strcmp(key, "draw_file")) snprintf(draw_file, sizeof draw_file, "%s", line + length);
        else if (!strcmp(key, "settings_file")) snprintf(settings_file, sizeof settings_file, "%s", line + length);
        else if (!strcmp(key, "permitted")) permitted = atoi(line + length);
        else if (!strcmp(key, "driver")) snprintf(driver, sizeof driver, "%s", line + length);
        else if (b) set(b, key, line + length);
    }
    fclose(file);
    for (int i = 0; i < boards; i++) settle(&board[i], &board[i].drawn), settle(&board[i], &board[i].shown);
    return SUCCESS;
}
