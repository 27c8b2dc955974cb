/*
 * A library that answers as NVML does, for boards that a text file describes.
 *
 * nvmlInit reads the file that SIMULATED_NVML names; without one there is "no driver". Times in the file are
 * seconds after origin_s, which is on CLOCK_MONOTONIC, the clock of Python's perf_counter on Linux. A board's
 * true power is a list of (seconds, watts) that repeats for ever, so that whoever wrote the file knows every
 * integral. Its energy counter is sampled at ticks and published later:
 *
 *     sampled at  s(k) = phase_s + (k + jitter * u(k)) * tick_s      with u(k) in [-1/2, 1/2)
 *     visible at  s(k) + delay_s + delay_jitter_s * w(k)             with w(k) in [0, 1)
 *
 * The power fields are sampled at the same moments and hold the power there (instant), or the mean over the last
 * average_s (average). A sensor with a duty below 1 looks only at the last part of each tick; one with a lag_s sees the
 * power behind a first-order lag. A second trace, of steps called "shown", may take the place of the true power in the
 * power fields, and with counts_shown in the counter too: the readings of a real driver. Fields asked for with
 * scope 1 are those of the module, which draws module_w beside the board. See simulated.py for the file's writer.
 *
 * Power limits and locked clocks are set as the NVML API reference says: by the privileged alone (else code 4), within
 * the limits that the board states (else code 2), until the driver is unloaded, which happens when its last user has
 * gone, unless persistence mode is on. There is no call that reads a lock of the clocks.
 */
#include "board.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int nvmlInitWithFlags(unsigned flags)
{
    int code = users ? SUCCESS : read_file(getenv("SIMULATED_NVML"));
    (void)flags;
    if (code == SUCCESS && !users++) open_settings();
    return code;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void)
{
    if (!users) return UNINITIALIZED;
    if (!--users) close_settings();
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case 4: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case 10: return "Timeout";
    case GPU_IS_LOST: return "GPU is lost";
    default: return "Unknown Error";
    }
}

#define ASK(b) do { int code_ = refused(b); if (code_) return code_; } while (0)

static int text(char *out, unsigned size, const char *from)
{
    if (strlen(from) + 1 > size) return INSUFFICIENT_SIZE;
    strcpy(out, from);
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) { return users ? text(out, size, driver) : UNINITIALIZED; }
int nvmlSystemGetNVMLVersion(char *out, unsigned size) { return users ? text(out, size, driver) : UNINITIALIZED; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 12040; return users ? SUCCESS : UNINITIALIZED; }
int nvmlDeviceGetCount_v2(unsigned *out) { *out = (unsigned)boards; return users ? SUCCESS : UNINITIALIZED; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Board **out)
{
    if (!users) return UNINITIALIZED;
    if (index >= (unsigned)boards) return INVALID_ARGUMENT;
    if (!board[index].reachable) return GPU_IS_LOST;
    *out = &board[index];
    return SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **out)
{
    if (!users) return UNINITIALIZED;
    for (int i = 0; i < boards; i++) {
        if (!strcmp(uuid, board[i].uuid)) { *out = &board[i]; return SUCCESS; }
        for (int j = 0; j < board[i].slices; j++)
            if (!strcmp(uuid, board[i].slice[j].uuid)) { *out = &board[i].slice[j]; return SUCCESS; }
    }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(const Board *b, char *out, unsigned size)
{
    if (!users) return UNINITIALIZED;
    return text(out, size, b->magic == BOARD_MAGIC ? b->uuid : ((const Slice *)b)->uuid);
}
int nvmlDeviceGetName(const Board *b, char *out, unsigned size) { ASK(b); return text(out, size, b->name); }
int nvmlDeviceGetIndex(const Board *b, unsigned *out) { ASK(b); *out = (unsigned)(b - board); return SUCCESS; }
int nvmlDeviceGetMinorNumber(const Board *b, unsigned *out) { return nvmlDeviceGetIndex(b, out); }
int nvmlDeviceGetArchitecture(const Board *b, unsigned *out) { ASK(b); *out = (unsigned)b->architecture; return SUCCESS; }

int nvmlDeviceGetTotalEnergyConsumption(Board *b, unsigned long long *out)
{
    ASK(b);
    if (!b->counter) return NOT_SUPPORTED;
    if (b->call_s > 0) usleep((useconds_t)(b->call_s * 1e6));
    *out = counter_mj(b, 0);
    return SUCCESS;
}
int nvmlDeviceGetPowerUsage(const Board *b, unsigned *out)
{
    ASK(b);
    if (!b->power) return NOT_SUPPORTED;
    *out = power_mw(b, b->architecture > 6, 0); /* averaged from Ampere on */
    return SUCCESS;
}

typedef struct {
    uint32_t id, scope;
    int64_t timestamp, latency;
    unsigned type;
    int code;
    union { double d; unsigned u; unsigned long long ull; } value;
} Field;
int nvmlDeviceGetFieldValues(Board *b, int count, Field *field)
{
    ASK(b);
    for (int i = 0; i < count; i++) {
        Field *f = &field[i];
        f->code = SUCCESS, f->latency = 0, f->timestamp = (int64_t)((now_s() + origin_s) * 1e6);
        if (f->id == 83 && b->counter) f->type = 3, f->value.ull = counter_mj(b, f->scope == 1);
        else if (f->id == 185 && b->power && b->instant) f->type = 1, f->value.u = power_mw(b, 1, f->scope == 1);
        else if (f->id == 186 && b->power && b->instant) f->type = 1, f->value.u = power_mw(b, 0, f->scope == 1);
        else f->code = NOT_SUPPORTED;
    }
    return SUCCESS;
}

int nvmlDeviceGetTemperature(const Board *b, int sensor, unsigned *out)
{
    (void)sensor;
    ASK(b);
    *out = (unsigned)b->temperature;
    return SUCCESS;
}
typedef struct { unsigned version, sensor; int celsius; } Temperature;
int nvmlDeviceGetTemperatureV(const Board *b, Temperature *out)
{
    ASK(b);
    out->celsius = (int)b->temperature;
    return SUCCESS;
}

static int limit(const Board *b, unsigned *out) { ASK(b); *out = (unsigned)(setting(b).limit_w * 1000); return SUCCESS; }
static double default_w(const Board *b) { return b->default_limit_w > 0 ? b->default_limit_w : b->limit_w; }
static double highest_w(const Board *b) { return b->max_limit_w > 0 ? b->max_limit_w : default_w(b); }
int nvmlDeviceGetEnforcedPowerLimit(const Board *b, unsigned *out) { return limit(b, out); }
int nvmlDeviceGetPowerManagementLimit(const Board *b, unsigned *out) { return limit(b, out); }
int nvmlDeviceGetPowerManagementDefaultLimit(const Board *b, unsigned *out)
{
    ASK(b);
    *out = (unsigned)(default_w(b) * 1000);
    return SUCCESS;
}
int nvmlDeviceGetPowerManagementLimitConstraints(const Board *b, unsigned *low, unsigned *high)
{
    ASK(b);
    *low = (unsigned)(b->min_limit_w * 1000), *high = (unsigned)(highest_w(b) * 1000);
    return SUCCESS;
}
int nvmlDeviceSetPowerManagementLimit(const Board *b, unsigned milliwatts)
{
    ASK(b);
    if (!b->settable) return NOT_SUPPORTED;
    if (!permitted) return NO_PERMISSION;
    if (milliwatts < b->min_limit_w * 1000 || milliwatts > highest_w(b) * 1000) return INVALID_ARGUMENT;
    Setting s = setting(b);
    s.limit_w = milliwatts / 1000.0;
    change(b, s);
    return SUCCESS;
}
int nvmlDeviceSetGpuLockedClocks(const Board *b, unsigned low_mhz, unsigned high_mhz)
{
    ASK(b);
    if (!b->settable) return NOT_SUPPORTED;
    if (!permitted) return NO_PERMISSION;
    if (low_mhz > high_mhz || low_mhz < LOWEST_MHZ || high_mhz > (unsigned)b->max_clock_mhz) return INVALID_ARGUMENT;
    Setting s = setting(b);
    s.low_mhz = (int)low_mhz, s.high_mhz = (int)high_mhz;
    change(b, s);
    return SUCCESS;
}
int nvmlDeviceResetGpuLockedClocks(const Board *b)
{
    ASK(b);
    if (!b->settable) return NOT_SUPPORTED;
    if (!permitted) return NO_PERMISSION;
    Setting s = setting(b);
    s.low_mhz = s.high_mhz = 0;
    change(b, s);
    return SUCCESS;
}
int nvmlDeviceGetPersistenceMode(const Board *b, int *out) { ASK(b); *out = b->persistence; return SUCCESS; }
int nvmlDeviceGetMaxClockInfo(const Board *b, int kind, unsigned *out)
{
    ASK(b);
    *out = kind == 2 ? MEMORY_MHZ : (unsigned)b->max_clock_mhz;
    return SUCCESS;
}
int nvmlDeviceGetSupportedMemoryClocks(const Board *b, unsigned *count, unsigned *out)
{
    ASK(b);
    unsigned room = *count;
    *count = 1;
    if (out == NULL || room < 1) return INSUFFICIENT_SIZE;
    out[0] = MEMORY_MHZ;
    return SUCCESS;
}
int nvmlDeviceGetSupportedGraphicsClocks(const Board *b, unsigned memory_mhz, unsigned *count, unsigned *out)
{
    ASK(b);
    unsigned room = *count;
    if (memory_mhz != MEMORY_MHZ) return NOT_FOUND;
    *count = (unsigned)((b->max_clock_mhz - LOWEST_MHZ) / CLOCK_STEP_MHZ + 1);
    if (out == NULL || room < *count) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++) out[i] = (unsigned)b->max_clock_mhz - i * CLOCK_STEP_MHZ;
    return SUCCESS;
}

typedef struct { unsigned long long total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(const Board *b, Memory *out)
{
    ASK(b);
    out->total = 80ULL << 30, out->used = 1ULL << 30, out->free = out->total - out->used;
    return SUCCESS;
}
typedef struct { unsigned gpu, memory; } Utilization;
int nvmlDeviceGetUtilizationRates(const Board *b, Utilization *out)
{
    ASK(b);
    out->gpu = (unsigned)utilization(b), out->memory = 10;
    return SUCCESS;
}
int nvmlDeviceGetClockInfo(const Board *b, int kind, unsigned *out)
{
    ASK(b);
    Setting s = setting(b);
    unsigned free_mhz = 1400;
    if (s.high_mhz && free_mhz > (unsigned)s.high_mhz) free_mhz = (unsigned)s.high_mhz;
    if (free_mhz < (unsigned)s.low_mhz) free_mhz = (unsigned)s.low_mhz;
    *out = kind == 2 ? 2600 : free_mhz;
    return SUCCESS;
}
int nvmlDeviceGetPerformanceState(const Board *b, int *out) { ASK(b); *out = 0; return SUCCESS; }
int nvmlDeviceGetComputeMode(const Board *b, int *out) { ASK(b); *out = 0; return SUCCESS; }
int nvmlDeviceGetCurrentClocksEventReasons(const Board *b, unsigned long long *out)
{
    ASK(b);
    *out = (unsigned long long)b->throttle_reasons;
    return SUCCESS;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(const Board *b, unsigned long long *out)
{
    ASK(b);
    *out = (unsigned long long)b->throttle_reasons;
    return SUCCESS;
}
int nvmlDeviceGetSupportedClocksThrottleReasons(const Board *b, unsigned long long *out)
{
    ASK(b);
    *out = (unsigned long long)b->supported_reasons;
    return SUCCESS;
}

typedef struct { unsigned long long reference_us, violation_ns; } ViolationTime;
int nvmlDeviceGetViolationStatus(const Board *b, int policy, ViolationTime *out)
{
    ASK(b);
    if (!b->counts_violations) return NOT_SUPPORTED;
    out->reference_us = (unsigned long long)((now_s() + origin_s) * 1e6);
    out->violation_ns = violation_ns(b, policy);
    return SUCCESS;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(const Board *b, unsigned *count, Process *out)
{
    const Slice *s = b->magic == BOARD_MAGIC ? NULL : (const Slice *)b;
    const unsigned *pid = s ? s->pid : b->pid;
    unsigned room = *count;
    ASK(s ? s->parent : b);
    *count = (unsigned)(s ? s->pids : b->pids);
    if (!*count) return SUCCESS;
    if (out == NULL || room < *count) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < *count; i++)
        out[i] = (Process){pid[i], 1ULL << 30, 0xffffffffu, 0xffffffffu};
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v2(const Board *b, unsigned *count, Process *out)
{
    return nvmlDeviceGetComputeRunningProcesses_v3(b, count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(const Board *b, unsigned *count, Process *out)
{
    (void)out;
    ASK(b);
    *count = 0;
    return SUCCESS;
}
int nvmlDeviceGetGraphicsRunningProcesses_v2(const Board *b, unsigned *count, Process *out)
{
    return nvmlDeviceGetGraphicsRunningProcesses_v3(b, count, out);
}

int nvmlDeviceGetMigMode(const Board *b, unsigned *current, unsigned *pending)
{
    ASK(b);
    *current = *pending = b->slices > 0;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(const Board *b, unsigned *out)
{
    ASK(b);
    *out = b->slices ? 7 : 0;
    return SUCCESS;
}
int nvmlDeviceGetMigDeviceHandleByIndex(const Board *b, unsigned index, const Slice **out)
{
    ASK(b);
    if (index >= (unsigned)b->slices) return NOT_FOUND;
    *out = &b->slice[index];
    return SUCCESS;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(const Slice *s, Board **out)
{
    *out = s->parent;
    return SUCCESS;
}
