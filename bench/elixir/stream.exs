# What does an item of a bounded stream cost?
defmodule Streams do
  import Bench, only: [timed: 1]

  def ordered(n), do: stream(n, true)
  def unordered(n), do: stream(n, false)

  defp stream(n, ordered) do
    timed(fn ->
      options = [max_concurrency: 100, ordered: ordered, timeout: :infinity]
      results = Task.async_stream(1..n, fn x -> x end, options)
      ^n = length(Enum.map(results, fn {:ok, x} -> x end))
    end)
  end
end

Bench.main(Streams)
