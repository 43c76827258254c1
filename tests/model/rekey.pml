/*
 * Fresh keys inside a live channel, as src/channel/rekey.c has them: two sides, a wire
 * each way that keeps the order and loses nothing, and offers, accepts and switches
 * between data, in every interleaving there is.
 *
 * What holds, whatever the order: each record arrives under the very key and number that
 * its receiver expects (one that does not would end the link, and be lost); no side meets
 * a record that it calls a protocol error; and in the end both are at rest on the same
 * keys, and all that was said was heard.
 *
 * That a side which waits for accept or switch gives up in time is not in it: here no
 * record is held back for ever.
 *
 * A key is the number of the offer that it came from: each offer has a number of its own,
 * as it has an ephemeral key of its own. tests/model/run also checks that the model
 * notices: with BREAK_n something is wrong with it.
 */
#define SAID 2        /* data records of each side */
#define GENERATIONS 3 /* exchanges that are completed at most */
#define WIRE 6        /* records under way, in each direction */
#define REPLIES 3     /* of them, room that data leaves: replies wait for nobody */

#ifdef BREAK_4 /* a new offer while the peer's switch is awaited */
#define MAY_OFFER(me) (state[me] != OFFERED)
#else
#define MAY_OFFER(me) (state[me] == REST)
#endif

mtype = { DATA, OFFER, ACCEPT, SWITCH };
mtype = { REST, OFFERED, ACCEPTED };

/* A record: type, the key that seals it, its number, then what a rekey record says. */
chan wire[2] = [WIRE] of { mtype, byte, byte, byte, byte };

byte send_key[2], receive_key[2], root[2];
byte send_count[2], receive_count[2];
byte generation[2], outstanding[2];
bool ignored[2];
mtype state[2] = REST;
byte said[2], heard[2];
byte offers; /* so many were made: the next one's number */

/* Seals a record under the present key. */
inline seal(me, type, gen, number)
{
    wire[me] ! type, send_key[me], send_count[me], gen, number;
    send_count[me]++;
}

inline switch_send(me)
{
    send_key[me] = root[me];
    send_count[me] = 0;
}

inline switch_receive(me)
{
    receive_key[me] = root[me];
    receive_count[me] = 0;
}

inline accept_offer(me, number)
{
    outstanding[me] = 0;
#ifdef BREAK_2 /* switches before the record that says so */
    root[me] = number;
    switch_send(me);
    seal(me, ACCEPT, generation[me] + 1, number);
#else
    seal(me, ACCEPT, generation[me] + 1, number);
    root[me] = number;
    switch_send(me);
#endif
    generation[me]++;
    state[me] = ACCEPTED;
}

inline take_offer(me, gen, number)
{
    assert(gen == generation[me] + 1);
    assert(state[me] != ACCEPTED && !ignored[me]);
    if
#ifndef BREAK_1 /* crossing offers: each side accepts the other's */
    :: state[me] == OFFERED && me == 0 -> ignored[me] = true;
    :: else -> accept_offer(me, number);
#else
    :: true -> accept_offer(me, number);
#endif
    fi
}

inline take_accept(me, gen, number)
{
    assert(gen == generation[me] + 1);
    assert(state[me] == OFFERED);
    assert(number == outstanding[me]); /* else Noise does not open it */
    root[me] = number;
    switch_receive(me);
    seal(me, SWITCH, gen, number);
#ifndef BREAK_3 /* forgets to switch what it sends */
    switch_send(me);
#endif
    generation[me] = gen;
    outstanding[me] = 0;
    ignored[me] = false;
    state[me] = REST;
}

inline take_switch(me, gen)
{
    assert(gen == generation[me]);
    assert(state[me] == ACCEPTED);
    switch_receive(me);
    state[me] = REST;
}

proctype Side(byte me)
{
    mtype type;
    byte key, number, count, gen;
end:
    do
    :: atomic {
        said[me] < SAID && len(wire[me]) < WIRE - REPLIES ->
        seal(me, DATA, 0, 0);
        said[me]++;
    }
    :: atomic {
        MAY_OFFER(me) && generation[me] < GENERATIONS && len(wire[me]) < WIRE - REPLIES ->
        offers++;
        outstanding[me] = offers;
        seal(me, OFFER, generation[me] + 1, offers);
        state[me] = OFFERED;
    }
    :: atomic {
        wire[1 - me] ? type, key, count, gen, number ->
        assert(key == receive_key[me] && count == receive_count[me]);
        receive_count[me]++;
        if
        :: type == DATA -> heard[me]++;
        :: type == OFFER -> take_offer(me, gen, number);
        :: type == ACCEPT -> take_accept(me, gen, number);
        :: type == SWITCH -> take_switch(me, gen);
        fi;
        type = DATA; key = 0; number = 0; count = 0; gen = 0;
    }
    od
}

/* Nothing more can happen: then all is as it should be. */
proctype End()
{
    timeout ->
    assert(len(wire[0]) == 0 && len(wire[1]) == 0);
    assert(state[0] == REST && state[1] == REST);
    assert(generation[0] == GENERATIONS && generation[1] == GENERATIONS);
    assert(root[0] == root[1]);
    assert(send_key[0] == root[0] && receive_key[0] == root[0]);
    assert(send_key[1] == root[0] && receive_key[1] == root[0]);
    assert(heard[0] == SAID && heard[1] == SAID);
}

init {
    atomic {
        run Side(0);
        run Side(1);
        run End();
    }
}
