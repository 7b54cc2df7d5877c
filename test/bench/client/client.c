/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES_MAX 4000000u

static uint32_t latencies[LATENCIES_MAX]; /* units of 100 ns */
static size_t latency_count;

void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void latency_add(uint64_t ns)
{
    if (latency_count < LATENCIES_MAX)
        latencies[latency_count++] = ns / 100 < UINT32_MAX ? (uint32_t)(ns / 100) : UINT32_MAX;
}

void latency_clear(void)
{
    latency_count = 0;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void result_print(const struct result *result)
{
    static const double at[] = {0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
                                0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1};
    qsort(latencies, latency_count, sizeof(latencies[0]), compare);
    printf("{\"done\": %llu, \"errors\": %llu, \"bytes\": %llu, \"offered\": %llu, \"seconds\": %.6f, "
           "\"trouble\": \"%s\", \"latency\": {",
           (unsigned long long)result->done, (unsigned long long)result->errors,
           (unsigned long long)result->bytes, (unsigned long long)result->offered, result->seconds,
           result->trouble ? result->trouble : "");
    for (size_t i = 0; latency_count && i < sizeof(at) / sizeof(at[0]); i++) {
        size_t index = (size_t)(at[i] * (double)(latency_count - 1));
        printf("%s\"%g\": %.1f", i ? ", " : "", at[i], (double)latencies[index] / 10);
    }
    printf("}}\n");
}

void gate_wait(const struct options *options)
{
    char line[16];
    if (!options->gate)
        return;
    printf("ready\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        exit(1);
}

void options_read(struct options *options, int argc, char **argv)
{
    int option;
    *options = (struct options){.parallel = 1, .seconds = 10, .size = 64, .depth = 1, .path = "/"};
    while ((option = getopt(argc, argv, "c:d:n:t:w:r:s:p:xg")) != -1) {
        switch (option) {
        case 'c': options->parallel = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'd': options->depth = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'n': options->count = strtoull(optarg, NULL, 10); break;
        case 't': options->seconds = strtod(optarg, NULL); break;
        case 'w': options->warm = strtod(optarg, NULL); break;
        case 'r': options->rate = strtod(optarg, NULL); break;
        case 's': options->size = strtoul(optarg, NULL, 10); break;
        case 'p': options->path = optarg; break;
        case 'x': options->close = true; break;
        case 'g': options->gate = true; break;
        default: exit(2);
        }
    }
    if (argc - optind != 2 || !options->parallel || !options->depth) {
        fprintf(stderr, "expected [options] ADDRESS PORT\n");
        exit(2);
    }
    options->server.sin_family = AF_INET;
    options->server.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
    if (inet_pton(AF_INET, argv[optind], &options->server.sin_addr) != 1)
        die(argv[optind]);
}
