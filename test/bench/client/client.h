/* SPDX-License-Identifier: MIT */
/* What the load clients share: options, time, latencies, the result as one JSON object. */
#ifndef CLIENT_H
#define CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    struct sockaddr_in server;
    unsigned parallel;     /* -c: connections, or packets outstanding */
    uint64_t count;        /* -n: end after so many; 0: after `seconds` */
    double seconds;        /* -t: end after so long (with -n: give up) */
    double warm;           /* -w: before anything is measured */
    double rate;           /* -r: offered a second */
    bool close;            /* -x: a connection for each request */
    bool gate;             /* -g: say "ready" after the warm-up and wait for a line */
    size_t size;           /* -s: bytes of a packet */
    unsigned depth;        /* -d: requests at once on a connection */
    const char *path;      /* -p */
};

/* Reads the command line: options, ADDRESS, PORT. Ends the process with a message if it can't. */
void options_read(struct options *options, int argc, char **argv);

/* With -g: all is quiet now; the measured part begins when a line comes. */
void gate_wait(const struct options *options);

uint64_t now_ns(void);

/* Latencies of everything measured. */
void latency_add(uint64_t ns);
void latency_clear(void);

struct result {
    uint64_t done, errors, bytes;
    uint64_t offered;      /* floods: sent */
    double seconds;
    const char *trouble;   /* what the last error was; NULL */
};

/* Prints the result with the latencies' quantiles in microseconds. */
void result_print(const struct result *result);

__attribute__((noreturn)) void die(const char *what);

#endif
