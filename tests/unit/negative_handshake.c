#include "test_negative.h"

#include "gate/replay.h"

static void put_first(const struct row *row, char of,
                      uint8_t payload[TACIT_CLAIM_PAYLOAD])
{
    struct tacit_first first = {1, 1, CHACHA, NOW, "answers@two.example"};
    first.time = (uint64_t)((int64_t)NOW + row->time);
    assert_int_equal(tacit_first_write(&first, payload), 0);
    edit_bytes(row, of, payload, TACIT_FIRST_PAYLOAD);
}

static void put_claim(const struct row *row, const struct side *s, uint8_t *payload)
{
    struct tacit_claim claim = {.version = 1, .suite = TACIT_SUITE_CHACHA20_POLY1305};
    memcpy(claim.name, s->name, strlen(s->name));
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
    edit_bytes(row, 'p', payload, TACIT_CLAIM_PAYLOAD);
}

void make_sides(struct pair *p)
{
    pair_make(p);
    p->i.suites = p->r.suites = CHACHA;
}

/* What a responder's rules do with a first message: they ask the replay memory. */
static int admission(const struct side *r, struct tacit_replay *replay,
                     const uint8_t *wire)
{
    struct tacit_first first;
    uint8_t e[NOISE_DHLEN];
    if (tacit_first_open(r->mesh_keys, 1, wire + TACIT_MESSAGE_HEADER, &first, e))
        return TACIT_OK; /* it does not come that far */
    struct tacit_now now = {.wall = NOW, .steady = NOW};
    return tacit_replay_check(replay, e, first.time, &now, 0);
}

int take_message_1(const struct row *row)
{
    uint8_t wire[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_replay replay = {0};
    struct raw raw;
    struct pair p;
    make_sides(&p);
    if (says(row, "mesh-key"))
        p.i.mesh_keys[0].bytes[0] ^= 1;
    raw_start(&raw, &p.i, NOISE_INITIATOR);
    put_first(row, 'p', payload);
    size_t len = raw_write(&raw, payload, TACIT_FIRST_PAYLOAD, wire, sizeof wire);
    edit_bytes(row, 'w', wire, len);
    assert_int_equal(side_start(&p.r, NOISE_RESPONDER), 0);
    p.r.first_answer = admission(&p.r, &replay, wire);
    if (says(row, "again"))
        p.r.first_answer = admission(&p.r, &replay, wire);
    int error = feed(&p.r, wire, len);
    tacit_replay_free(&replay);
    if (error)
        assert_dead(&p.r);
    return error;
}

int take_message_2(const struct row *row)
{
    uint8_t wire[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct raw raw;
    struct pair p;
    make_sides(&p);
    p.i.decide_answer = says(row, "rules") ? TACIT_EREFUSED : TACIT_OK;
    assert_int_equal(side_start(&p.i, NOISE_INITIATOR), 0);
    raw_start(&raw, &p.r, NOISE_RESPONDER);
    raw_read(&raw, wire, take_output(&p.i, wire), payload, sizeof payload);
    if (row->has_static)
        memcpy(raw.noise.s.public_key, row->static_key, NOISE_DHLEN);
    put_claim(row, &p.r, payload);
    size_t len = raw_write(&raw, payload, sizeof payload, wire, sizeof wire);
    edit_bytes(row, 'w', wire, len);
    int error = feed(&p.i, wire, len);
    if (error)
        assert_dead(&p.i);
    return error;
}

int take_message_3(const struct row *row)
{
    uint8_t wire[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct raw raw;
    struct pair p;
    make_sides(&p);
    p.r.decide_answer = says(row, "rules") ? TACIT_EREFUSED : TACIT_OK;
    if (says(row, "pair-key"))
        p.i.pair_key.bytes[0] ^= 1;
    assert_int_equal(side_start(&p.r, NOISE_RESPONDER), 0);
    raw_start(&raw, &p.i, NOISE_INITIATOR);
    put_first(row, '1', payload);
    size_t len = raw_write(&raw, payload, TACIT_FIRST_PAYLOAD, wire, sizeof wire);
    assert_int_equal(feed(&p.r, wire, len), 0);
    raw_read(&raw, wire, take_output(&p.r, wire), payload, sizeof payload);
    if (row->has_static)
        memcpy(raw.noise.s.public_key, row->static_key, NOISE_DHLEN);
    put_claim(row, &p.i, payload);
    len = raw_write(&raw, payload, sizeof payload, wire, sizeof wire);
    edit_bytes(row, 'w', wire, len);
    int error = feed(&p.r, wire, len);
    if (error)
        assert_dead(&p.r);
    return error ? error : p.r.decide_answer;
}
