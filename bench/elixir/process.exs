# Monitors, links, and what a process weighs that waits.
defmodule Processes do
  import Bench, only: [timed: 1, times: 2]

  def monitor(n) do
    timed(fn ->
      times(n, fn _ ->
        {_pid, ref} = spawn_monitor(fn -> :ok end)

        receive do
          {:DOWN, ^ref, :process, _, _} -> :ok
        end
      end)
    end)
  end

  def chain(n) do
    timed(fn ->
      me = self()
      {_first, ref} = spawn_monitor(fn -> member(n, me) end)

      receive do
        {:last, last} -> Process.exit(last, :down)
      end

      receive do
        {:DOWN, ^ref, :process, _, :down} -> :ok
      end
    end)
  end

  defp member(left, main) do
    if left > 1 do
      spawn_link(fn -> member(left - 1, main) end)
    else
      send(main, {:last, self()})
    end

    receive do
      :never -> :ok
    end
  end

  def idle(n) do
    :erlang.garbage_collect()
    before = :erlang.memory(:total)
    pids = for _ <- 1..n, do: spawn(fn -> wait() end)
    Enum.each(pids, fn pid -> {:status, _} = Process.info(pid, :status) end)
    grown = :erlang.memory(:total) - before
    Enum.each(pids, fn pid -> send(pid, :end) end)
    %{bytes: grown / n}
  end

  defp wait do
    receive do
      :end -> :ok
    end
  end
end

Bench.main(Processes)
