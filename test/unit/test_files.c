/* SPDX-License-Identifier: MIT */
/*
 * The descriptor table and open files: lowest free descriptor, references, watches that
 * leave while they are told, and that every file is closed exactly once.
 */
#include <poll.h>
#include <stdlib.h>

#include "suite.h"
#include "../../libos/posix/file.c"

void libos_enter(void) {}
void libos_leave(void) {}

static int open_files;

static void counted_close(struct file *file)
{
    open_files--;
    free(file);
}

static long counted_readv(struct file *file, const struct iovec *iov, int count)
{
    (void)file, (void)count;
    return (long)iov->iov_len;
}

static const struct file_ops counted_ops = { .readv = counted_readv, .close = counted_close };

static struct file *counted(int flags)
{
    struct file *file = malloc(sizeof(*file));
    file_init(file, &counted_ops, flags);
    open_files++;
    return file;
}

START_TEST(test_lowest)
{
    for (int i = 0; i < FD_MAX; i++)
        ck_assert_int_eq(fd_install(counted(O_RDWR), 0, false), i);
    ck_assert_int_eq(fd_install(counted(O_RDWR), 0, false), -EMFILE);
    ck_assert_int_eq(open_files, FD_MAX); /* the one that found no place is closed */
    ck_assert_int_eq(fd_close(700), 0);
    ck_assert_int_eq(fd_close(63), 0);
    ck_assert_int_eq(fd_close(64), 0);
    ck_assert_int_eq(fd_close(64), -EBADF);
    ck_assert_int_eq(fd_install(counted(O_RDWR), 64, false), 64);
    ck_assert_int_eq(fd_install(counted(O_RDWR), 64, true), 700);
    ck_assert_int_eq(fd_install(counted(O_RDWR), 0, false), 63);
    ck_assert_int_eq(fd_install(counted(O_RDWR), FD_MAX, false), -EMFILE);
    ck_assert_int_eq(fd_install(counted(O_RDWR), -1, false), -EMFILE);
    for (int i = 0; i < FD_MAX; i++)
        ck_assert_int_eq(fd_close(i), 0);
    ck_assert_int_eq(open_files, 0);
    ck_assert(fd_peek(-1) == NULL && fd_peek(FD_MAX) == NULL && fd_get(0) == NULL);
}
END_TEST

START_TEST(test_references)
{
    int fd = fd_install(counted(O_RDONLY), 0, false);
    struct file *held = fd_get(fd);
    ck_assert_int_eq(fd_install(file_hold(held), 5, false), 5);
    ck_assert_int_eq(fd_close(fd), 0);
    ck_assert_int_eq(fd_close(5), 0);
    ck_assert_int_eq(open_files, 1); /* a call still uses it */
    ck_assert_int_eq(file_read(held, NULL, 7), 7);
    ck_assert_int_eq(file_write(held, NULL, 7), -EBADF);
    file_release(held);
    ck_assert_int_eq(open_files, 0);
}
END_TEST

static unsigned told[3], last_ready;

static struct file_watch watch[3];

static void leave(struct file_watch *self, unsigned ready)
{
    told[self - watch]++;
    last_ready = ready;
    if (self == &watch[1])
        file_watch_remove(self);
}

START_TEST(test_watches)
{
    struct file *file = counted(O_RDWR);
    for (int i = 0; i < 3; i++) {
        watch[i].notify = leave;
        file_watch_add(file, &watch[i]);
    }
    file_notify(file, POLLIN);
    file_notify(file, POLLOUT);
    ck_assert_uint_eq(told[0], 2);
    ck_assert_uint_eq(told[1], 1);
    ck_assert_uint_eq(told[2], 2);
    file_watch_remove(&watch[1]); /* once more is nothing */
    file_watch_remove(&watch[0]);
    file_release(file);
    ck_assert_uint_eq(told[2], 3);
    ck_assert_uint_eq(last_ready, POLLNVAL);
    ck_assert(watch[2].file == NULL);
    ck_assert_int_eq(open_files, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *cases = tcase_create("files");
    tcase_add_test(cases, test_lowest);
    tcase_add_test(cases, test_references);
    tcase_add_test(cases, test_watches);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
