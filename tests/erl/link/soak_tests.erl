%% A short soak (soak.erl): tests/soak runs it for as long as one likes.
-module(soak_tests).

-include_lib("eunit/include/eunit.hrl").

soak_test_() ->
    {"a mesh in trouble, with fresh keys every few seconds, loses no message of a link that is "
     "up, becomes whole again, and holds no more than before",
     {timeout, 600, fun() ->
                            ?assertEqual(ok, soak:run(#{seconds => 20, each => 10, seed => 7,
                                                        print => fun print/2}))
                    end}}.

%% Shown where it fails.
print(Format, Args) -> io:format(Format, Args).
