/* SPDX-License-Identifier: MIT */
/*
 * The parts of the C library that lean on the system in small ways, and calls that this system does not have: each
 * must say so, and be named on the console exactly once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "../check.h"

/* ---- stdio ------------------------------------------------------------------------------------------- */

static void formats(void)
{
    char text[200];
    volatile double third = 1.0 / 3, tiny = 1e-320, huge = 1e300;
    snprintf(text, sizeof(text), "%5d|%-5d|%05d|%+d|%x|%#o|%c|%%|%s|%.2s|%p", 42, 42, 42, 42, 255, 8, 'c', "str",
             "long", (void *)0x1234);
    CHECK(strcmp(text, "   42|42   |00042|+42|ff|010|c|%|str|lo|0x1234") == 0);
    snprintf(text, sizeof(text), "%.10f %e %g %a %.3Lf %Lg", third, third, tiny, third, 2.5L, (long double)huge);
    CHECK(strcmp(text, "0.3333333333 3.333333e-01 9.99989e-321 0x1.5555555555555p-2 2.500 1e+300") == 0);
    snprintf(text, sizeof(text), "%f %f %f", (double)INFINITY, -(double)INFINITY, (double)NAN);
    CHECK(strncmp(text, "inf -inf ", 9) == 0 && strstr(text, "nan") != NULL);
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRId64 " %zu %jx %hhd", UINT64_MAX, INT64_MIN, (size_t)7, (uintmax_t)255,
             (signed char)-1);
    CHECK(strcmp(text, "18446744073709551615 -9223372036854775808 7 ff -1") == 0);
    int a = 0, n = 0;
    double d = 0;
    char word[20] = "";
    CHECK(sscanf("12 words 3.25e2 0x1f", "%d %19s %lf %i%n", &a, word, &d, &a, &n) == 4);
    CHECK(a == 31 && d == 325 && strcmp(word, "words") == 0 && n == 20);
    size_t five = (size_t)a - 26; /* or the compiler would warn of what is meant */
    CHECK(snprintf(text, five, "truncated") == 9 && strcmp(text, "trun") == 0);
}

static void streams(void)
{
    char *memory = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&memory, &size);
    CHECK(file != NULL);
    for (int i = 0; i < 3000; i++)
        fprintf(file, "%d\n", i);
    CHECK(fflush(file) == 0 && size == 13890 && memory[size - 2] == '9');
    CHECK(fclose(file) == 0);
    file = fmemopen(memory, size, "r");
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    while (getline(&line, &room, file) > 0)
        count += atoi(line) == count;
    CHECK(count == 3000 && feof(file));
    rewind(file);
    CHECK(fgetc(file) == '0' && ungetc('x', file) == 'x' && fgetc(file) == 'x');
    CHECK(fseek(file, -3, SEEK_END) == 0 && ftell(file) == (long)size - 3 && fgetc(file) == '9');
    fclose(file);
    free(line);
    free(memory);
    CHECK(fopen("/does/not/exist", "r") == NULL && errno == ENOENT);
    CHECK(fopen("/manifest", "w") == NULL && (errno == EROFS || errno == EACCES));
    CHECK(tmpfile() == NULL);
    int fds[2];
    CHECK(pipe(fds) == 0);
    FILE *in = fdopen(fds[0], "r"), *out = fdopen(fds[1], "w");
    CHECK(in != NULL && out != NULL && setvbuf(out, NULL, _IOFBF, 100) == 0);
    CHECK(fputs("through a pipe\n", out) >= 0 && fclose(out) == 0);
    char text[50];
    CHECK(fgets(text, sizeof(text), in) != NULL && strcmp(text, "through a pipe\n") == 0);
    CHECK(fgets(text, sizeof(text), in) == NULL && feof(in) && fclose(in) == 0);
    CHECK(fileno(stdout) == 1 && !isatty(1) && errno == ENOTTY);
    CHECK(dprintf(1, "a line by dprintf\n") == 18);
    CHECK(fprintf(stderr, "a line by stderr\n") == 17);
    CHECK(read(0, text, 1) <= 0); /* there is nothing to read on the console */
}

/* ---- sorting, jumping, numbers, times ----------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void sorting(void)
{
    enum { COUNT = 20000 };
    uint32_t *n = malloc(COUNT * sizeof(*n));
    srandom(7);
    for (unsigned i = 0; i < COUNT; i++)
        n[i] = (uint32_t)random();
    uint32_t some = n[777];
    qsort(n, COUNT, sizeof(*n), ascending);
    unsigned bad = 0;
    for (unsigned i = 1; i < COUNT; i++)
        bad += n[i - 1] > n[i];
    CHECK(bad == 0);
    uint32_t *found = bsearch(&some, n, COUNT, sizeof(*n), ascending);
    CHECK(found != NULL && *found == some);
    free(n);
}

static jmp_buf out_of;

/* Returns only by jumping, which the compiler need not know. */
static __attribute__((noinline)) int deeper(int depth)
{
    volatile char room[500];
    room[0] = (char)depth;
    if (depth == 0)
        longjmp(out_of, 55);
    return depth < 0 ? 0 : deeper(depth - 1) + room[0];
}

static void jumping(void)
{
    volatile int count = 0;
    volatile double kept = 1.5;
    int value = setjmp(out_of);
    count++;
    if (value == 0)
        deeper(50);
    CHECK(value == 55 && count == 2 && kept == 1.5);
    value = setjmp(out_of);
    if (value == 0)
        longjmp(out_of, 0); /* never 0 */
    CHECK(value == 1);
}

static void numbers(void)
{
    volatile double two = 2, x = 0.5;
    char *end;
    CHECK(fabs(sqrt(two) * sqrt(two) - 2) < 1e-12 && fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1) < 1e-12);
    CHECK(fabs(exp(log(two)) - 2) < 1e-12 && pow(two, 10) == 1024 && fmod(7.5, two) == 1.5);
    CHECK(isnan(sqrt(-two)) && isinf(two / (two - 2)) && lround(2.5) == 3 && floor(-0.5) == -1);
    CHECK(strtod("1.7976931348623157e308", &end) == 1.7976931348623157e308 && *end == '\0');
    errno = 0;
    CHECK(isinf(strtod("1e999", NULL)) && errno == ERANGE);
    CHECK(strtol("-0x7fx", &end, 0) == -127 && *end == 'x');
    errno = 0;
    CHECK(strtoul("99999999999999999999", NULL, 10) == ULONG_MAX && errno == ERANGE);
    CHECK(strtoll("zzz", &end, 36) == 46655 && *end == '\0');
    CHECK(strcmp(setlocale(LC_CTYPE, "C.UTF-8"), "C.UTF-8") == 0 && MB_CUR_MAX == 4);
    wchar_t wide[10];
    CHECK(mbstowcs(wide, "a\xc3\xa4\xe2\x82\xac", 10) == 3 && wide[1] == 0xe4 && wide[2] == 0x20ac);
    regex_t regex;
    regmatch_t match[2];
    CHECK(regcomp(&regex, "^([a-z]+)[0-9]{2,}$", REG_EXTENDED) == 0);
    CHECK(regexec(&regex, "abc123", 2, match, 0) == 0 && match[1].rm_eo == 3);
    CHECK(regexec(&regex, "abc1", 2, match, 0) == REG_NOMATCH);
    regfree(&regex);
}

static void dates(void)
{
    struct tm tm = { .tm_year = 126, .tm_mon = 1, .tm_mday = 29, .tm_hour = 25 }; /* 29 February 2026, 25 o'clock */
    time_t t = timegm(&tm);
    char text[64];
    CHECK(t == 1772413200 && tm.tm_mon == 2 && tm.tm_mday == 2 && tm.tm_hour == 1);
    CHECK(strftime(text, sizeof(text), "%a %d %b %Y %T %j", gmtime(&t)) == 28);
    CHECK(strcmp(text, "Mon 02 Mar 2026 01:00:00 061") == 0);
    setenv("TZ", "XXX-2", 1);
    tzset();
    CHECK(localtime(&t)->tm_hour == 3);
    unsetenv("TZ");
    tzset();
}

/* ---- waiting for several things ---------------------------------------------------------------------------- */

static void polling(void)
{
    int fds[2], event = eventfd(0, EFD_NONBLOCK);
    CHECK(pipe(fds) == 0 && event >= 0);
    struct pollfd p[4] = { { fds[0], POLLIN, 0 }, { fds[1], POLLOUT, 0 }, { event, POLLIN, 0 }, { -1, POLLIN, 7 } };
    CHECK(poll(p, 4, 0) == 1 && p[0].revents == 0 && p[1].revents == POLLOUT && p[2].revents == 0);
    CHECK(p[3].revents == 0);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    p[1].fd = -1;
    CHECK(poll(p, 4, 30) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 29);
    uint64_t one = 1;
    CHECK(write(event, &one, 8) == 8 && poll(p, 4, -1) == 1 && p[2].revents == POLLIN);
    CHECK(write(fds[1], "x", 1) == 1 && poll(p, 4, -1) == 2 && p[0].revents == POLLIN);
    close(fds[1]);
    char c;
    CHECK(read(fds[0], &c, 1) == 1 && poll(p, 1, 0) == 1 && (p[0].revents & POLLHUP) != 0);
    fd_set set;
    FD_ZERO(&set);
    unsigned at = (unsigned)event; /* musl's macros want one */
    FD_SET(at, &set);
    struct timeval none = { 0, 0 };
    CHECK(select(event + 1, &set, NULL, NULL, &none) == 1 && FD_ISSET(at, &set));
    int ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = 12345 }, got[4];
    CHECK(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, event, &e) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, event, &e) == -1 && errno == EEXIST);
    CHECK(epoll_wait(ep, got, 4, -1) == 1 && got[0].data.u64 == 12345 && got[0].events == EPOLLIN);
    CHECK(epoll_wait(ep, got, 4, 0) == 0); /* told already */
    CHECK(write(event, &one, 8) == 8 && epoll_wait(ep, got, 4, 0) == 1);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, event, NULL) == 0 && epoll_wait(ep, got, 4, 0) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, event, &e) == -1 && errno == ENOENT);
    close(fds[0]);
    p[0].fd = fds[0];
    CHECK(poll(p, 1, 0) == 1 && p[0].revents == POLLNVAL);
    close(ep);
    close(event);
}

static void vectors(void)
{
    int fds[2];
    char a[3] = "", b[10] = "";
    struct iovec out[3] = { { (char[]){ "ab" }, 2 }, { NULL, 0 }, { (char[]){ "cdefg" }, 5 } };
    struct iovec in[2] = { { a, 3 }, { b, 10 } };
    CHECK(pipe2(fds, O_CLOEXEC) == 0 && (fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(writev(fds[1], out, 3) == 7 && readv(fds[0], in, 2) == 7);
    CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0);
    int waiting = -1;
    CHECK(write(fds[1], "xyz", 3) == 3 && ioctl(fds[0], FIONREAD, &waiting) == 0 && waiting == 3);
    CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 && (fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    CHECK(read(fds[0], b, 10) == 3 && read(fds[0], b, 10) == -1 && errno == EAGAIN);
    CHECK(lseek(fds[0], 0, SEEK_SET) == -1 && errno == ESPIPE);
    CHECK(dup2(fds[0], 50) == 50 && close(fds[0]) == 0 && read(50, b, 10) == -1 && errno == EAGAIN);
    CHECK(fcntl(50, F_DUPFD, 60) == 60 && close(50) == 0 && close(60) == 0);
    CHECK(close(fds[1]) == 0 && close(fds[1]) == -1 && errno == EBADF);
    CHECK(dup2(1, 5000) == -1 && errno == EBADF);
}

static void randomness(void)
{
    static unsigned char bytes[2][4096];
    unsigned count[256] = { 0 };
    CHECK(getrandom(bytes[0], 4096, 0) == 4096 && getrandom(bytes[1], 4096, GRND_NONBLOCK) == 4096);
    CHECK(memcmp(bytes[0], bytes[1], 4096) != 0);
    unsigned same = 0, most = 0;
    for (unsigned i = 0; i < 4096; i++) {
        same += bytes[0][i] == bytes[1][i];
        most = ++count[bytes[0][i]] > most ? count[bytes[0][i]] : most;
    }
    CHECK(same < 64 && most < 50); /* 16 each are expected */
    int fd = open("/dev/urandom", O_RDONLY);
    CHECK(fd >= 0 && read(fd, bytes[1], 100) == 100 && close(fd) == 0);
    CHECK(memcmp(bytes[0], bytes[1], 100) != 0);
    CHECK(getentropy(bytes[0], 257) == -1 && errno == EIO);
}

/* ---- what is not here ----------------------------------------------------------------------------------------- */

static void no_processes(void)
{
    pid_t pid = 0;
    char *const argv[] = { (char[]){ "x" }, NULL };
    for (volatile unsigned i = 0; i < 3; i++) { /* each named once only */
        CHECK(fork() == -1 && errno == ENOSYS);
        CHECK(vfork() == -1 && errno == ENOSYS);
        CHECK(execve("/x", argv, environ) == -1 && errno == ENOSYS);
        CHECK(posix_spawn(&pid, "/x", NULL, NULL, argv, environ) == ENOSYS);
        CHECK(system("true") != 0);
        CHECK(popen("true", "r") == NULL);
        CHECK(wait(NULL) == -1 && (errno == ENOSYS || errno == ECHILD));
        CHECK(mount("a", "/b", "c", 0, NULL) == -1 && errno == ENOSYS);
        CHECK(syscall(SYS_io_setup, 1, NULL) == -1 && errno == ENOSYS);
        CHECK(syscall(511) == -1 && errno == ENOSYS);
        CHECK(syscall(-1) == -1 && errno == ENOSYS);
    }
    CHECK(strcmp(strerror(ENOSYS), "Function not implemented") == 0);
    CHECK(getpid() == 1 && getppid() == 0 && getuid() == 0);
    CHECK(kill(12345, SIGTERM) == -1 && errno == ESRCH);
    CHECK(raise(SIGCHLD) == 0); /* ignored */
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        { "formats", formats }, { "streams", streams }, { "sorting", sorting },       { "jumping", jumping },
        { "numbers", numbers }, { "dates", dates },     { "polling", polling },       { "vectors", vectors },
        { "randomness", randomness }, { "no-processes", no_processes }, { NULL, NULL },
    };
    return check_main(cases, argc, argv);
}
