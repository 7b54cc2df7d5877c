/* SPDX-License-Identifier: MIT */
/*
 * Walks the boot archive from argv[1] and says what it finds: for every file its size and a sum over its
 * bytes, read in four ways that must agree. The test knows what is there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libos/plan.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"

#define PAGE 4096u

static uint64_t sum_more(uint64_t sum, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum = (sum ^ bytes[i]) * 0x100000001b3ull; /* FNV-1a */
    return sum;
}

#define SUM_START 0xcbf29ce484222325ull

static uint64_t sum_read(int fd, size_t piece)
{
    static unsigned char buffer[10000];
    uint64_t sum = SUM_START;
    ssize_t got;
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    while ((got = read(fd, buffer, piece)) > 0)
        sum = sum_more(sum, buffer, (size_t)got);
    CHECK(got == 0);
    return sum;
}

/* From the end to the beginning, and put together again. */
static uint64_t sum_pread(int fd, size_t size)
{
    unsigned char *all = malloc(size + 1);
    CHECK(all != NULL);
    for (size_t end = size; end > 0;) {
        size_t part = end < 777 ? end : 777;
        CHECK(pread(fd, all + end - part, part, (off_t)(end - part)) == (ssize_t)part);
        end -= part;
    }
    CHECK(pread(fd, all, 10, (off_t)size) == 0);
    uint64_t sum = sum_more(SUM_START, all, size);
    free(all);
    return sum;
}

/*
 * What lies behind a file's end in its last page: zeros, never a neighbour's bytes (the test's files have none), nor those of
 * the archive's filler.
 */
static unsigned tail_strange(const unsigned char *end, const unsigned char *stop)
{
    unsigned strange = 0;
    for (const unsigned char *at = end; at < stop; at++)
        strange += *at != 0;
    return strange;
}

/* As all of the archive: even its own program can't make it writable. */
static bool is_frozen(const unsigned char *byte)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_protect(plan, env_self(), (uintptr_t)byte & ~(uintptr_t)(PAGE - 1), 1, EXO_READ | EXO_WRITE);
    return plan_run(plan) == -EXO_E_RIGHT;
}

static uint64_t sum_mapped(int fd, size_t size, int flags)
{
    int prot = flags == MAP_PRIVATE ? PROT_READ | PROT_WRITE : PROT_READ;
    unsigned char *all = mmap(NULL, size, prot, flags, fd, 0);
    CHECK(all != MAP_FAILED);
    if (all == MAP_FAILED)
        return 0;
    uint64_t sum = sum_more(SUM_START, all, size);
    CHECK(tail_strange(all + size, all + ((size + PAGE - 1) & ~(size_t)(PAGE - 1))) == 0);
    CHECK((prot & PROT_WRITE) != 0 || is_frozen(all + size - 1));
    if (prot & PROT_WRITE)
        memset(all, 0xff, size); /* a copy: nobody else sees it */
    CHECK(munmap(all, size) == 0);
    return sum;
}

static uint64_t sum_stdio(const char *path)
{
    unsigned char line[100];
    uint64_t sum = SUM_START;
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t got;
    while (file != NULL && (got = fread(line, 1, sizeof(line), file)) > 0)
        sum = sum_more(sum, line, got);
    if (file != NULL)
        CHECK(feof(file) && !ferror(file) && fclose(file) == 0);
    return sum;
}

static void file_tell(const char *path, const struct stat *expected)
{
    struct stat found;
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    CHECK(fstat(fd, &found) == 0 && found.st_size == expected->st_size && S_ISREG(found.st_mode));
    CHECK(found.st_ino == expected->st_ino && found.st_nlink >= 1);
    CHECK((found.st_mode & 0222) == 0 || access(path, W_OK) == -1);
    size_t size = (size_t)found.st_size;
    uint64_t sum = sum_read(fd, 10000);
    CHECK(sum_read(fd, 509) == sum);
    CHECK(sum_pread(fd, size) == sum);
    CHECK(sum_stdio(path) == sum);
    if (size > 0) {
        CHECK(sum_mapped(fd, size, MAP_SHARED) == sum);
        CHECK(sum_mapped(fd, size, MAP_PRIVATE) == sum);
        CHECK(sum_mapped(fd, size, MAP_SHARED) == sum);
    }
    CHECK(lseek(fd, 0, SEEK_END) == (off_t)size);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF);
    CHECK(ftruncate(fd, 0) == -1);
    CHECK(close(fd) == 0);
    printf("file %s %zu %016llx\n", path, size, (unsigned long long)sum);
}

static int visit(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)where;
    if (kind == FTW_D)
        printf("folder %s\n", path);
    else if (kind == FTW_F)
        file_tell(path, stat);
    else
        CHECK(kind == FTW_D || kind == FTW_F);
    return 0;
}

/* Everything once, whatever the buffer's size, and again after rewinding. */
static void list(const char *path)
{
    DIR *folder = opendir(path);
    CHECK(folder != NULL);
    if (folder == NULL)
        return;
    unsigned count[2] = { 0, 0 };
    for (unsigned round = 0; round < 2; round++) {
        while (readdir(folder) != NULL)
            count[round]++;
        rewinddir(folder);
    }
    long middle = -1;
    char name[256] = "";
    for (unsigned i = 0; i < count[0] / 2; i++) {
        readdir(folder);
        middle = telldir(folder);
    }
    struct dirent *entry = readdir(folder);
    snprintf(name, sizeof(name), "%s", entry != NULL ? entry->d_name : "");
    while (readdir(folder) != NULL)
        continue;
    seekdir(folder, middle);
    entry = readdir(folder);
    CHECK(entry != NULL && strcmp(entry->d_name, name) == 0);
    CHECK(closedir(folder) == 0);
    CHECK(count[0] == count[1]);
    printf("entries %s %u\n", path, count[0]);
}

int main(int argc, char **argv)
{
    const char *top = argc > 1 ? argv[1] : "/";
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(nftw(top, visit, 8, FTW_PHYS) == 0);
    for (int i = 2; i < argc; i++)
        list(argv[i]);
    return check_failures != 0;
}
