# What does it cost to start a task and to wait for it?
defmodule Spawn do
  import Bench, only: [timed: 1, times: 2]

  @batch 1000

  def spawn_await(n) do
    timed(fn -> times(n, fn i -> Task.await(Task.async(fn -> i end), :infinity) end) end)
  end

  def await_timeout(n) do
    timed(fn -> times(n, fn i -> Task.await(Task.async(fn -> i end), 5000) end) end)
  end

  def supervised(n) do
    {:ok, supervisor} = Task.Supervisor.start_link()

    spent =
      timed(fn ->
        times(n, fn i -> Task.await(Task.Supervisor.async(supervisor, fn -> i end)) end)
      end)

    Supervisor.stop(supervisor)
    spent
  end

  def spawn_then_await(n) do
    timed(fn ->
      times(div(n, @batch), fn _ ->
        tasks = for i <- 1..@batch, do: Task.async(fn -> i end)
        Enum.each(tasks, &Task.await(&1, :infinity))
      end)
    end)
  end

  def await_many(n) do
    timed(fn ->
      times(div(n, @batch), fn _ ->
        Task.await_many(for(i <- 1..@batch, do: Task.async(fn -> i end)), 5000)
      end)
    end)
  end
end

Bench.main(Spawn)
