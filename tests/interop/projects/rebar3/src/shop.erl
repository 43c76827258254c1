-module(shop).

-export([open/0]).

-spec open() -> {open, node()}.
open() ->
    {open, node()}.
