/* The physics of simulated boards, and the file that describes them. */
#include "board.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Board board[MAX_BOARDS];
int boards, users;
double origin_s;
char driver[80];
static double gone_at_s;

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

static int step_at(const Board *b, double inside_s)
{
    int low = 0, high = b->steps - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (b->end_s[middle] > inside_s) high = middle; else low = middle + 1;
    }
    return low;
}

/* Joules from the origin to t; the trace also reaches back before the origin. */
static double energy_j(const Board *b, double t)
{
    double period_s = b->end_s[b->steps - 1], total_j = b->sum_j[b->steps - 1];
    double cycles = floor(t / period_s), inside_s = t - cycles * period_s;
    int i = step_at(b, inside_s);
    double begin_s = i ? b->end_s[i - 1] : 0, begin_j = i ? b->sum_j[i - 1] : 0;
    return b->gain * (cycles * total_j + begin_j + (inside_s - begin_s) * b->watts[i]);
}

static double power_w(const Board *b, double t)
{
    double period_s = b->end_s[b->steps - 1];
    return b->gain * b->watts[step_at(b, t - floor(t / period_s) * period_s)];
}

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
    if (b->duty >= 1) return energy_j(b, sampled_s(b, k)) * 1000;
    while (b->seen_tick < k) {
        double end_s = sampled_s(b, ++b->seen_tick), begin_s = end_s - b->duty * b->tick_s;
        double tick_s = end_s - sampled_s(b, b->seen_tick - 1);
        b->seen_mj += (energy_j(b, end_s) - energy_j(b, begin_s)) / (b->duty * b->tick_s) * tick_s * 1000;
    }
    return b->seen_mj;
}

uint64_t counter_mj(Board *b, int module)
{
    int64_t k = tick_at(b, now_s());
    double t = sampled_s(b, k), mj = b->offset_mj + seen_mj(b, k) + (module ? b->module_w * t * 1000 : 0);
    for (int i = 0; i < b->falls; i++)
        if (t >= b->fall[i].at_s) /* a fall of 0 is a reset: counting starts again there */
            mj -= b->fall[i].fall_mj > 0 ? b->fall[i].fall_mj : b->offset_mj + energy_j(b, b->fall[i].at_s) * 1000;
    return mj > 0 ? (uint64_t)mj : 0;
}

unsigned power_mw(const Board *b, int average, int module)
{
    int64_t k = tick_at(b, now_s());
    double t = sampled_s(b, k);
    double w = average ? (energy_j(b, t) - energy_j(b, t - b->average_s)) / b->average_s : power_w(b, t);
    w += module ? b->module_w : 0;
    w += b->noise_w * (fixed(b->seed + 2, k) * 2 - 1);
    return w > 0 ? (unsigned)(w * 1000) : 0;
}

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
    else if (!strcmp(key, "gain")) b->gain = v;
    else if (!strcmp(key, "noise_w")) b->noise_w = v;
    else if (!strcmp(key, "duty")) b->duty = v;
    else if (!strcmp(key, "module_w")) b->module_w = v;
    else if (!strcmp(key, "limit_w")) b->limit_w = v;
    else if (!strcmp(key, "temperature_celsius")) b->temperature = v;
    else if (!strcmp(key, "lost_at_s")) b->lost_at_s = v;
    else if (!strcmp(key, "reachable")) b->reachable = (int)v;
    else if (!strcmp(key, "counter")) b->counter = (int)v;
    else if (!strcmp(key, "instant")) b->instant = (int)v;
    else if (!strcmp(key, "power")) b->power = (int)v;
    else if (!strcmp(key, "architecture")) b->architecture = (int)v;
    else if (!strcmp(key, "throttle_reasons")) b->throttle_reasons = (int)v;
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
    } else if (!strcmp(key, "step") && b->steps < MAX_STEPS) {
        double seconds = 0, watts = 0;
        int i = b->steps++;
        sscanf(rest, "%lf %lf", &seconds, &watts);
        b->end_s[i] = (i ? b->end_s[i - 1] : 0) + seconds;
        b->sum_j[i] = (i ? b->sum_j[i - 1] : 0) + seconds * watts;
        b->watts[i] = watts;
    }
}

static Board *add_board(void)
{
    Board *b = &board[boards++];
    free(b->end_s), free(b->sum_j), free(b->watts);
    memset(b, 0, sizeof *b);
    b->magic = BOARD_MAGIC;
    b->tick_s = 0.1, b->gain = b->duty = 1, b->average_s = 1, b->limit_w = 700, b->temperature = 40, b->lost_at_s = INFINITY;
    b->reachable = b->counter = b->instant = b->power = 1, b->architecture = 9;
    b->end_s = calloc(MAX_STEPS, sizeof(double));
    b->sum_j = calloc(MAX_STEPS, sizeof(double));
    b->watts = calloc(MAX_STEPS, sizeof(double));
    return b;
}

int read_file(const char *path)
{
    char line[512], key[64];
    int length;
    Board *b = NULL;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return DRIVER_NOT_LOADED;
    boards = 0, origin_s = 0, gone_at_s = INFINITY;
    snprintf(driver, sizeof driver, "550.00");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%63s %n", key, &length) < 1) continue;
        if (!strcmp(key, "board")) b = boards < MAX_BOARDS ? add_board() : b;
        else if (!strcmp(key, "origin_s")) origin_s = atof(line + length);
        else if (!strcmp(key, "gone_at_s")) gone_at_s = atof(line + length);
        else if (!strcmp(key, "driver")) snprintf(driver, sizeof driver, "%s", line + length);
        else if (b) set(b, key, line + length);
    }
    fclose(file);
    return SUCCESS;
}
