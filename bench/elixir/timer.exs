# What does a timer cost beside many that are live, and what do many sleeps?
defmodule Timer do
  import Bench, only: [timed: 1]

  def set_cancel(live, n) do
    me = self()
    others = for _ <- 1..live, do: Process.send_after(me, :late, delay())
    delays = for _ <- 1..n, do: delay()

    start = Bench.now()
    Enum.each(delays, fn ms -> Process.cancel_timer(Process.send_after(me, :late, ms)) end)
    spent = Bench.now() - start

    Enum.each(others, &Process.cancel_timer/1)
    spent
  end

  defp delay, do: 300_000 + :rand.uniform(3_300_000)

  def sleep(n) do
    delays = for _ <- 1..n, do: :rand.uniform(50)

    timed(fn ->
      tasks = for ms <- delays, do: Task.async(fn -> Process.sleep(ms) end)
      Task.await_many(tasks, :infinity)
    end)
  end
end

Bench.main(Timer)
