%% What Tacit writes to the log of links: a line for each that was accepted, refused or dropped,
%% who it was (name, fingerprint, address) and which line of the configuration decided.
-module(tacit_log).

-export([accepted/1, refused/3, dropped/2]).
-export([who/3, lost_handshake/3, door/2, clock/1]).

-export_type([who/0]).

%% What is not known is empty.
-type who() :: #{direction := in | out, name := iodata(), fingerprint := iodata(),
                 address := iodata(), line := iodata()}.

%% Made a text of where it is written: the link does not wait for it.
-define(FIELDS, "name=~ts fingerprint=~ts address=~ts line=~ts").

%% The link is up: the channel and the distribution handshake are done. To a node that does
%% not listen, a command's, it is no news: what the command prints is for its caller.
-spec accepted(who()) -> ok.
accepted(#{direction := Direction} = Who) ->
    Level = case tacit_boot:listens() of true -> notice; false -> info end,
    tacit_logger:say(Level, "tacit: link accepted direction=~s " ?FIELDS,
                     [Direction | fields(Who)]).

%% A peer that we refused (in), or that we did not reach or that refused us (out).
-spec refused(who(), atom(), iodata()) -> ok.
refused(#{direction := Direction} = Who, Reason, Text) ->
    tacit_logger:warning("tacit: link refused direction=~s reason=~s " ?FIELDS ": ~ts",
                         [Direction, Reason | fields(Who)] ++ [Text]).

%% A live link that the rules do not allow any more.
-spec dropped(who(), iodata()) -> ok.
dropped(#{direction := Direction} = Who, Text) ->
    tacit_logger:warning("tacit: link dropped direction=~s " ?FIELDS ": ~ts",
                         [Direction | fields(Who)] ++ [Text]).

fields(#{name := Name, fingerprint := Fingerprint, address := Address, line := Line}) ->
    [dash(Text) || Text <- [Name, Fingerprint, Address, Line]].

dash(Empty) when Empty =:= <<>>; Empty =:= [] -> "-";
dash(Text) -> Text.

%% The peer of a link: asked for while the port is there.
-spec who(in | out, string(), port()) -> who().
who(Direction, Name, Port) ->
    Known = case tacit_drv:info(Port) of
                {ok, #{fingerprint := Fingerprint, peer_address := Address, line := Line}} ->
                    #{fingerprint => Fingerprint, address => Address, line => Line};
                {error, closed} ->
                    #{fingerprint => <<>>, address => <<>>, line => <<>>}
            end,
    Known#{direction => Direction, name => Name}.

%% A link that ended between the channel and the distribution handshake's end. A peer that
%% closed because it is done (it dialled us at the same time, say) is no news.
-spec lost_handshake(who(), atom(), string()) -> ok.
lost_handshake(Who, Reason, Text) ->
    case lists:member(Reason, [done, truncated, closed, econnreset, epipe]) of
        true -> ok;
        false -> refused(Who, Reason, Text)
    end.

%% The door has taken the node's name again, or is not there: new links wait for it.
-spec door(registered | lost | refused, binary()) -> ok.
door(registered, Text) ->
    tacit_logger:notice("tacit: registered with the door at ~ts", [Text]);
door(What, Text) ->
    tacit_logger:warning("tacit: door ~s: ~ts", [What, Text]).

%% The host's clock was set, by so many seconds: src/gate/clock.h.
-spec clock(integer()) -> ok.
clock(0) ->
    ok;
clock(Step) ->
    Where = case Step < 0 of true -> "back"; false -> "ahead" end,
    tacit_logger:warning("tacit: this host's clock was set ~b s ~s: for 20 minutes nothing runs "
                         "out by that, and nothing that has run out comes back",
                         [abs(Step), Where]).
