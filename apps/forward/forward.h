/* SPDX-License-Identifier: MIT */
/*
 * What forwarder and worker say to each other. Each frame goes round and is one program's at a time:
 *
 *   channel    buffer                    first word                 second word
 *   packets    none (the first message)  our MAC address            our IPv4 address
 *              the packet                its EXO_RX_... flags       0
 *              the answer that was sent  FORWARD_SENT               0
 *   empty      a whole frame             0                          0
 *   answers    the packet to send        0                          0
 */
#ifndef FORWARD_H
#define FORWARD_H

#define FORWARD_SENT (1u << 31)
#define FORWARD_FRAMES 32u /* that go round: as many as a channel has places */

#endif
