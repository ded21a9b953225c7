/* SPDX-License-Identifier: BSD-3-Clause */
/* The ZIP structures of an artifact, written as the specification says (section 3), so that they
 * can be compared with the file.  Nothing here reads ZIP.  Members of 4 GiB are not written. */
#include <string.h>
#include "internal.h"

enum { ALIGN = 64 };

static size_t put(unsigned char *out, size_t at, int bytes, uint32_t value) {
  for (int one = 0; one < bytes; one += 1) out[at++] = (unsigned char)(value >> (8 * one));
  return at;
}

/* Write pairs of how many bytes and what. */
static size_t put_all(unsigned char *out, size_t at, const uint32_t (*pairs)[2], size_t count) {
  for (size_t one = 0; one < count; one += 1) at = put(out, at, (int)pairs[one][0], pairs[one][1]);
  return at;
}
#define PUT(out, at, ...)                              \
  put_all(out, at, (const uint32_t[][2]){__VA_ARGS__}, \
          sizeof((const uint32_t[][2]){__VA_ARGS__}) / sizeof(uint32_t[2]))

/* Write a local header; a path has at most 420 characters. */
size_t ss_local_header(ss_member member, unsigned char out[512]) {
  uint32_t name = (uint32_t)strlen(member.path);
  uint32_t over = (member.at % ALIGN + 30 + name + 6) % ALIGN;
  uint32_t gap = (ALIGN - over) % ALIGN;
  size_t at = PUT(out, 0, {4, 0x04034b50}, {2, 20}, {2, 0}, {2, 0}, {2, 0}, {2, 33},
                  {4, member.crc}, {4, member.size}, {4, member.size}, {2, name}, {2, 6 + gap});
  memcpy(out + at, member.path, name);
  at = PUT(out, at + name, {2, 0xd935}, {2, 2 + gap}, {2, ALIGN});
  memset(out + at, 0, gap);
  return at + gap;
}

/* Write the central directory, which begins at `from`, and the end record; at most 3 members. */
size_t ss_tail(const ss_member *members, size_t count, uint32_t from, unsigned char out[2048]) {
  size_t at = 0;
  for (const ss_member *one = members; one < members + count; one += 1) {
    uint32_t name = (uint32_t)strlen(one->path);
    at = PUT(out, at, {4, 0x02014b50}, {2, 20}, {2, 20}, {2, 0}, {2, 0}, {2, 0}, {2, 33},
             {4, one->crc}, {4, one->size}, {4, one->size}, {2, name}, {2, 0}, {2, 0}, {2, 0},
             {2, 0}, {4, 0}, {4, one->at});
    memcpy(out + at, one->path, name);
    at += name;
  }
  uint32_t records = (uint32_t)count;
  return PUT(out, at, {4, 0x06054b50}, {2, 0}, {2, 0}, {2, records}, {2, records},
             {4, (uint32_t)at}, {4, from}, {2, 0});
}

/* The check sum of ZIP, which protects nothing; it stands in headers that are compared. */
uint32_t ss_crc32(const unsigned char *data, size_t size) {
  uint32_t sum = 0xffffffffu;
  for (size_t at = 0; at < size; at += 1) {
    sum ^= data[at];
    for (int bit = 0; bit < 8; bit += 1) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
  }
  return ~sum;
}
