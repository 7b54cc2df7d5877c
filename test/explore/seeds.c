/* SPDX-License-Identifier: MIT */
/*
 * Plays files (what a fuzzer once found, and its seeds), then so many programs of chance, the same each time:
 * the fuzzer's work where there is no fuzzer.
 *
 *   seeds COUNT FILE...
 */
#include <stdio.h>
#include <stdlib.h>

#include "play.h"

static uint64_t state = 0x9e3779b97f4a7c15ull;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}

static void play_file(const char *path)
{
    static uint8_t bytes[65536];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    play(bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
}

int main(int count, char **words)
{
    static uint8_t bytes[2048];
    for (int i = 2; i < count; i++)
        play_file(words[i]);
    unsigned long turns = count > 1 ? strtoul(words[1], NULL, 10) : 0;
    for (unsigned long turn = 0; turn < turns; turn++) {
        uint64_t length = any() % sizeof bytes;
        for (uint64_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)(any() >> 40);
        const char *keep = getenv("KEEP"); /* the last one played, if it fails */
        FILE *file = keep ? fopen(keep, "wb") : NULL;
        if (file) {
            fwrite(bytes, 1, length, file);
            fclose(file);
        }
        play(bytes, length);
    }
    printf("figures: %d files, %lu programs of chance\n", count - 2, turns);
    return 0;
}
