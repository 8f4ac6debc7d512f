# What does a message cost: there and back, one way, and past a long backlog?
defmodule Message do
  import Bench, only: [timed: 1, times: 2]

  def ping_pong(n) do
    echo = spawn(fn -> echo() end)

    spent =
      timed(fn ->
        me = self()

        times(n, fn i ->
          send(echo, {me, i})

          receive do
            _ -> :ok
          end
        end)
      end)

    Process.exit(echo, :kill)
    spent
  end

  defp echo do
    receive do
      {from, value} ->
        send(from, value)
        echo()
    end
  end

  def cast(n) do
    timed(fn ->
      {sink, ref} = spawn_monitor(fn -> drain(n) end)
      times(n, fn i -> send(sink, i) end)

      receive do
        {:DOWN, ^ref, :process, _, _} -> :ok
      end
    end)
  end

  defp drain(0), do: :ok

  defp drain(n) do
    receive do
      _ -> drain(n - 1)
    end
  end

  def request(backlog, n) do
    server = spawn(fn -> serve() end)

    task =
      Task.async(fn ->
        me = self()
        times(backlog, fn i -> send(me, i) end)
        start = Bench.now()
        times(n, fn i -> ask(server, i) end)
        Bench.now() - start
      end)

    spent = Task.await(task, :infinity)
    Process.exit(server, :kill)
    spent
  end

  # The reference is made in the function that receives by it: the compiler then lets
  # the receive begin behind what was queued before.
  defp ask(server, i) do
    ref = make_ref()
    send(server, {self(), ref, i})

    receive do
      {^ref, value} -> value
    end
  end

  defp serve do
    receive do
      {from, ref, value} ->
        send(from, {ref, value})
        serve()
    end
  end
end

Bench.main(Message)
