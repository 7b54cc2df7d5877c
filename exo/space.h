/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: x86-64 four-level page tables in frames that the environment donated. The
 * kernel writes them, counts every mapping in the frame table and never
 * allocates: a missing level is an error that names the level.
 */
#ifndef EXO_SPACE_H
#define EXO_SPACE_H

#include "env.h"
#include "frame.h"

/* The leaf that maps a page: 0 with its frame and EXO_READ/WRITE/EXEC, or -EXO_E_ABSENT. */
int space_lookup(struct env *env, page_t page, frame_t *frame, unsigned *perm);
/* Maps one page; with EXO_LARGE the next one of a large page. The caller has checked the right to the frame. 0, NO_TABLE
 * (*level says which), EXISTS, BUSY (65535 writable mappings); of a large page also RANGE (page and frame are not
 * aligned alike), ABSENT (the pages before it). */
int space_map(struct env *env, page_t page, frame_t frame, unsigned perm, unsigned *level);
/* Removes one page, the first of `pages` that go; the frame's counts are lowered, the last right to a frozen frame frees
 * it. 0, ABSENT, or STATE: it is in a large page of which another comes first, or does not go. */
int space_unmap(struct env *env, page_t page, uint64_t pages, frame_t *frame);
/* Changes a page's rights. 0, ABSENT, STATE (in a large page), or RIGHT when writing to it is not env's to have. */
int space_protect(struct env *env, page_t page, unsigned perm);
/* Hangs a frame (state TABLE already) in, zeroed, as the table of `level` for a page. Where there is a large page, the
 * table maps what that did. NO_TABLE, EXISTS. */
int space_table_add(struct env *env, page_t page, unsigned level, frame_t table,
                    unsigned *missing);
/* Takes an empty table off. ABSENT, BUSY. */
int space_table_remove(struct env *env, page_t page, unsigned level, frame_t *table);
/* The next page at or behind *cursor that is mapped, and its frame; false when none was found within *budget looks,
 * or *cursor has come to the end of user space. */
bool space_next(struct env *env, page_t *cursor, unsigned *budget, frame_t *frame);
/* Drops the rights behind the entries from *cursor on, at most `budget` of them looked at; true when done.
 * For a dead environment: its tables are not written, its frames are freed later. */
bool space_drop_rights(struct env *env, uint64_t *cursor, unsigned budget);

/* Supplied by the machine layer, or a test: */
void space_flush(struct env *env, page_t page);

#endif
