/* SPDX-License-Identifier: MIT */
/* What micro_message.c and partner.c agree about. */
#ifndef MESSAGE_H
#define MESSAGE_H

#define MESSAGE_LAST 1u /* the first word of the last message of its way */

#endif
