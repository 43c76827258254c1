defmodule Shop.MixProject do
  use Mix.Project

  def project do
    [app: :shop, version: "1.0.0", deps: [{:tacit, path: "../tacit/erlang"}]]
  end

  def application do
    [extra_applications: [:logger]]
  end
end
