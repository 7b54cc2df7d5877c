/* SPDX-License-Identifier: MIT */
/* The kernel's reader of the boot archive and of the first program in it, on any bytes. */
#include "../../exo/image.h"

#include <exo/abi.h>

#include "fuzz.h"

static void check_segments(const struct image *image)
{
    HOLDS(image->count > 0 && image->count <= IMAGE_SEGMENTS);
    for (unsigned i = 0; i < image->count; i++) {
        const struct image_segment *segment = &image->segment[i];
        HOLDS(segment->address % EXO_PAGE_SIZE == 0 && segment->bytes > 0);
        HOLDS(segment->address < EXO_USER_END && segment->bytes <= EXO_USER_END - segment->address);
        HOLDS(segment->start >= segment->address);
        HOLDS(segment->start + segment->file_bytes <= segment->address + segment->bytes);
        HOLDS(segment->file_bytes <= image->elf_bytes && segment->offset <= image->elf_bytes - segment->file_bytes);
        read_all(image->elf + segment->offset, segment->file_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 1)
        return 0;
    uint8_t *copy = copy_of(bytes + 1, count - 1);
    struct image image;
    memset(&image, 0xee, sizeof image);
    if (bytes[0] & 1)
        ustar_seal(copy, count - 1);
    if (!image_find(copy, count - 1, &image))
        check_segments(&image);
    image = (struct image){.elf = copy, .elf_bytes = count - 1}; /* as if all of it were the program */
    if (!image_parse(&image))
        check_segments(&image);
    free(copy);
    return 0;
}
