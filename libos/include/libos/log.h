/* SPDX-License-Identifier: MIT */
/*
 * One line on the console from inside the libos: no stdio, no allocation. Understands %s %d %u %x
 * %lu %lx %ld %c and %%. Lost without a console.
 */
#ifndef LIBOS_LOG_H
#define LIBOS_LOG_H

void libos_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says why and ends the program as crashed. */
_Noreturn void libos_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
