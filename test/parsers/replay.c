/* SPDX-License-Identifier: MIT */
/* Files to a fuzzer's function, where there is no fuzzer. */
#include "fuzz.h"

int main(int count, char **words)
{
    static uint8_t bytes[65536];
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(words[i], "rb");
        HOLDS(file);
        (void)LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
        fclose(file);
    }
    return 0;
}
