%% What a person sees at a glance: gnuplot's pictures of a report, as SVG and PNG.
-module(bench_plot).

-export([draw/2]).

-define(FONT, "DejaVu Sans").

%% The files that were drawn; none where gnuplot is missing.
-spec draw(file:filename(), bench_report:report()) -> [file:filename()].
draw(Dir, Report) ->
    case os:find_executable("gnuplot") of
        false -> [];
        Gnuplot -> lists:append([picture(Gnuplot, Dir, P) || P <- bench_pictures:all(Report)])
    end.

picture(Gnuplot, Dir, {Name, {Width, Height}, Body}) ->
    Script = filename:join(mesh:dir(), Name ++ ".gp"),
    Files = [{Name ++ ".svg", io_lib:format("svg size ~b,~b dynamic font '~s,13' background '#ffffff'",
                                            [Width, Height, ?FONT])},
             {Name ++ ".png", io_lib:format("pngcairo size ~b,~b font '~s,11'",
                                            [Width, Height, ?FONT])}],
    ok = file:write_file(
           Script,
           unicode:characters_to_binary(
             [["reset session\nset terminal ", Terminal, "\nset output '",
               filename:absname(filename:join(Dir, File)), "'\n", style(), Body,
               "\nunset multiplot\nset output\n"] || {File, Terminal} <- Files])),
    Port = open_port({spawn_executable, Gnuplot},
                     [{args, [Script]}, exit_status, stderr_to_stdout]),
    wait(Port, []),
    [File || {File, _} <- Files].

wait(Port, Said) ->
    receive
        {Port, {data, Data}} -> wait(Port, [Said, Data]);
        {Port, {exit_status, 0}} -> ok;
        {Port, {exit_status, _}} -> throw(lists:flatten(["gnuplot: ", Said]))
    end.

style() ->
    "set encoding utf8\n"
        "set border 3 lc rgb '#555555'\nset tics nomirror out textcolor rgb '#333333'\n"
        "set format y '%g'\nset grid y lc rgb '#dddddd' lt 1\nset datafile missing '?'\n"
        "set key top left reverse Left samplen 2 spacing 1.2 noenhanced\n".
