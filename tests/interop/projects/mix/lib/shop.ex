defmodule Shop do
  def open?(), do: {:open, node()}
end
