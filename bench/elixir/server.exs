# What does a GenServer cost: a call that must not take long, and a cast?
defmodule Counter do
  use GenServer

  def init(total), do: {:ok, total}
  def handle_call({:add, n}, _from, total), do: {:reply, total + n, total + n}
  def handle_cast({:add, n}, total), do: {:noreply, total + n}
end

defmodule Server do
  import Bench, only: [timed: 1, times: 2]

  def call(n) do
    with_counter(fn counter ->
      timed(fn -> times(n, fn i -> GenServer.call(counter, {:add, i}) end) end)
    end)
  end

  def cast(n) do
    with_counter(fn counter ->
      timed(fn ->
        times(n, fn i -> GenServer.cast(counter, {:add, i}) end)
        GenServer.call(counter, {:add, 0}, :infinity)
      end)
    end)
  end

  defp with_counter(fun) do
    {:ok, counter} = GenServer.start_link(Counter, 0)
    spent = fun.(counter)
    GenServer.stop(counter)
    spent
  end
end

Bench.main(Server)
