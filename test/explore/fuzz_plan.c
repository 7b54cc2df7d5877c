/* SPDX-License-Identifier: MIT */
/* libFuzzer's way into play(). */
#include "play.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    play(bytes, count);
    return 0;
}
