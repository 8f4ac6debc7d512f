# Benchmarks that others made for actors, written anew from their description.
defmodule Actors do
  import Bench, only: [timed: 1, times: 2]

  @branches 10
  @members 503
  @creatures 100
  @senders 100

  def skynet(n) do
    total = div(n * (n - 1), 2)

    timed(fn ->
      me = self()
      spawn(fn -> node(me, 0, n) end)

      receive do
        ^total -> :ok
      end
    end)
  end

  defp node(parent, number, 1), do: send(parent, number)

  defp node(parent, number, size) do
    me = self()
    below = div(size, @branches)
    for i <- 0..(@branches - 1), do: spawn(fn -> node(me, number + i * below, below) end)
    send(parent, sum(@branches, 0))
  end

  defp sum(0, total), do: total

  defp sum(left, total) do
    receive do
      number -> sum(left - 1, total + number)
    end
  end

  def ring(n) do
    task =
      Task.async(fn ->
        me = self()
        members = for _ <- 1..@members, do: spawn_link(fn -> join(me) end)
        following = tl(members) ++ [hd(members)]
        Enum.each(Enum.zip(members, following), fn {pid, next} -> send(pid, next) end)
        start = Bench.now()
        send(hd(members), n)

        receive do
          :done -> :ok
        end

        spent = Bench.now() - start
        Enum.each(members, fn pid -> send(pid, :end) end)
        spent
      end)

    Task.await(task, :infinity)
  end

  defp join(main) do
    receive do
      next -> pass(main, next)
    end
  end

  defp pass(main, next) do
    receive do
      :end ->
        :ok

      0 ->
        send(main, :done)
        pass(main, next)

      token ->
        send(next, token - 1)
        pass(main, next)
    end
  end

  def chameneos(n) do
    timed(fn ->
      me = self()
      for i <- 1..@creatures, do: spawn_link(fn -> creature(me, rem(i, 3), 0) end)
      times(n, fn _ -> meet() end)
      total = 2 * n
      ^total = fade(2 * @creatures, 0)
    end)
  end

  defp meet do
    {a, colour_a} = visitor()
    {b, colour_b} = visitor()
    send(a, colour_b)
    send(b, colour_a)
  end

  defp visitor do
    receive do
      {pid, colour} -> {pid, colour}
    end
  end

  defp fade(0, total), do: total

  defp fade(left, total) do
    receive do
      {pid, _colour} ->
        send(pid, :end)
        fade(left - 1, total)

      met ->
        fade(left - 1, total + met)
    end
  end

  defp creature(mall, colour, met) do
    send(mall, {self(), colour})

    receive do
      :end -> send(mall, met)
      ^colour -> creature(mall, colour, met + 1)
      other -> creature(mall, 3 - colour - other, met + 1)
    end
  end

  def big(n) do
    count = trunc(:math.sqrt(n)) + 1

    spent =
      timed(fn ->
        monitored = for _ <- 1..count, do: spawn_monitor(fn -> big_member(count) end)
        members = for {pid, _} <- monitored, do: pid
        Enum.each(members, fn pid -> send(pid, {:members, members}) end)

        Enum.each(monitored, fn {_, ref} ->
          receive do
            {:DOWN, ^ref, :process, _, :normal} -> :ok
          end
        end)
      end)

    div(spent * n, count * (count - 1))
  end

  defp big_member(count) do
    me = self()

    receive do
      {:members, members} ->
        Enum.each(members, fn pid -> if pid != me, do: send(pid, {:ping, me}) end)
    end

    answer(2 * (count - 1))
  end

  defp answer(0), do: :ok

  defp answer(left) do
    receive do
      {:ping, pid} ->
        send(pid, :pong)
        answer(left - 1)

      :pong ->
        answer(left - 1)
    end
  end

  def bang(n) do
    timed(fn ->
      me = self()
      each = div(n, @senders)
      for _ <- 1..@senders, do: spawn(fn -> times(each, fn i -> send(me, i) end) end)
      take(each * @senders)
    end)
  end

  defp take(0), do: :ok

  defp take(left) do
    receive do
      _ -> take(left - 1)
    end
  end
end

Bench.main(Actors)
