/* SPDX-License-Identifier: MIT */
/*
 * The last page of a file that is shown where it lies in the archive. Behind the file's end the archive's own filler
 * begins there, and a mapping has to have zeros. So the page becomes one of this program's own, with the same beginning: it costs a frame, once,
 * and gives back the right to the frame that was there. Frozen as all of the archive is: it can be sent by its page.
 */
#include <libos/plan.h>
#include <string.h>

#include "mem_internal.h"

#define HEADER_BYTES 512u

static int page_replace(uint64_t page, uint64_t own, uint64_t frame)
{
    struct plan *plan = plan_begin(&mem_plan);
    plan_unmap(plan, env_self(), own, 1);
    plan_unmap(plan, env_self(), page, 1);
    plan_map(plan, env_self(), page, frame_number(frame), 1, EXO_READ);
    plan_freeze(plan, page, 1);
    return plan_run(plan);
}

int tail_zero(const void *bytes, uint64_t size)
{
    const char *end = (const char *)bytes + size, *header = end + (-(uint64_t)end & (HEADER_BYTES - 1));
    uint64_t page = (uint64_t)end & ~PAGE_MASK, frame;
    if (((uint64_t)header & PAGE_MASK) == 0 || *header == 0)
        return 0;
    if (strncmp(header, ".pad", 5) != 0)
        return -EXO_E_STATE; /* not packed by our tool: somebody may want to read what is there */
    char *own = mem_map_run(1, &frame);
    if (own == NULL)
        return -EXO_E_QUOTA;
    memcpy(own, (const void *)page, (uint64_t)end - page);
    int error = page_replace(page, (uint64_t)own, frame);
    space_release((uint64_t)own, EXO_PAGE_SIZE);
    return error;
}
