/*
 * The rows of src/channel/NEGATIVE.md: what test_negative.c's files share. A row is read
 * (negative_table.c), a valid message is made, changed as it says, and taken
 * (negative_handshake.c, test_negative.c).
 */
#ifndef TACIT_TEST_NEGATIVE_H
#define TACIT_TEST_NEGATIVE_H

#include "test_channel.h"

enum {
    ROWS_MAX = 256,
    EDITS_MAX = 4,
    BYTES_MAX = 1024,
    CHACHA = 1u << TACIT_SUITE_CHACHA20_POLY1305,
};

/* Some bytes at an offset: of the wire, the payload or data, or message 1's payload. */
struct edit {
    char of; /* 'w', 'p', '1' */
    bool flips;
    size_t at, len;
    uint8_t bytes[BYTES_MAX];
};

struct row {
    char section[32], change[200], wrong[200], error[32], name[300];
    struct edit edits[EDITS_MAX];
    size_t edit_count;
    int grow; /* bytes; less than 0: cut */
    int time, type;
    bool has_static;
    uint8_t static_key[NOISE_DHLEN];
};

extern struct row rows[ROWS_MAX];
extern size_t row_count;

/* Reads the tables at path into rows; false: there is no such file. */
bool read_tables(const char *path);
/* Takes the row's change apart. */
void read_change(struct row *row);
/* Whether the change is that word, or has it among others. */
bool says(const struct row *row, const char *word);

/* Changes bytes as the row says of them. */
void edit_bytes(const struct row *row, char of, uint8_t *bytes, size_t len);
/* Shorter, or longer by zeros; gives the new length. */
size_t resize(const struct row *row, uint8_t *bytes, size_t len);

/* Two sides that agree, on a suite that every machine has. */
void make_sides(struct pair *p);
/* The error that the message's receiver ends with, or 0. */
int take_message_1(const struct row *row);
int take_message_2(const struct row *row);
int take_message_3(const struct row *row);

#endif
