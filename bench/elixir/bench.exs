# Runs a case of a script: a first time to warm up, a second time by the clock.
#
#     elixir -r bench.exs spawn.exs CASE [ARGUMENT ...] OPERATIONS
#
# A case takes its arguments and the number of operations, all integers, and returns the
# nanoseconds that the operations took; or figures of its own, by their names.
defmodule Bench do
  def main(module) do
    [name | arguments] = System.argv()
    arguments = Enum.map(arguments, &String.to_integer/1)
    case_name = String.to_existing_atom(name)
    {prepared, [n]} = Enum.split(arguments, -1)
    # Enough to load the code, and whole for cases that go in batches of a thousand.
    apply(module, case_name, prepared ++ [min(n, 1000)])
    IO.puts(encode(apply(module, case_name, arguments)))
  end

  # Time a function in a process of its own: a heap without the leftovers of the warm-up.
  def timed(fun) do
    task =
      Task.async(fn ->
        start = now()
        fun.()
        now() - start
      end)

    Task.await(task, :infinity)
  end

  def now, do: System.monotonic_time(:nanosecond)

  def times(0, _fun), do: :ok

  def times(n, fun) do
    fun.(n)
    times(n - 1, fun)
  end

  defp encode(nanoseconds) when is_integer(nanoseconds), do: "#{nanoseconds}"

  defp encode(figures) do
    pairs = Enum.map(figures, fn {name, value} -> ~s("#{name}": #{value}) end)
    "{#{Enum.join(pairs, ", ")}}"
  end
end
