# How long does the unlucky one wait: calls under load, a socket beside messages?
defmodule Counter do
  use GenServer

  def init(total), do: {:ok, total}
  def handle_call({:add, n}, _from, total), do: {:reply, total + n, total + n}
end

defmodule Latency do
  @clients 100
  @pairs 10
  @options [:binary, packet: :line, active: false, reuseaddr: true]

  def call(n) do
    {:ok, counter} = GenServer.start_link(Counter, 0)

    clients =
      for _ <- 1..@clients do
        Task.async(fn ->
          for i <- 1..div(n, @clients), do: timed(fn -> GenServer.call(counter, {:add, i}) end)
        end)
      end

    times = Enum.concat(Task.await_many(clients, :infinity))
    GenServer.stop(counter)
    quantiles(times)
  end

  def echo(n) do
    talkers = Enum.flat_map(1..@pairs, fn _ -> pair() end)
    {:ok, listener} = :gen_tcp.listen(0, @options)
    {:ok, port} = :inet.port(listener)

    spawn_link(fn ->
      {:ok, socket} = :gen_tcp.accept(listener)
      answer(socket)
    end)

    {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, @options)

    times =
      for _ <- 1..n do
        timed(fn ->
          :ok = :gen_tcp.send(socket, "are you there?\n")
          {:ok, _} = :gen_tcp.recv(socket, 0)
        end)
      end

    :gen_tcp.close(socket)
    Enum.each(talkers, fn pid -> Process.exit(pid, :kill) end)
    quantiles(times)
  end

  defp pair do
    one = spawn(fn -> talk() end)
    other = spawn(fn -> talk() end)
    send(one, other)
    [one, other]
  end

  defp talk do
    receive do
      other ->
        send(other, self())
        talk()
    end
  end

  defp answer(socket) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, line} ->
        :ok = :gen_tcp.send(socket, line)
        answer(socket)

      {:error, :closed} ->
        :ok
    end
  end

  defp timed(fun) do
    start = Bench.now()
    fun.()
    Bench.now() - start
  end

  defp quantiles(times) do
    ranked = List.to_tuple(Enum.sort(times))
    last = tuple_size(ranked) - 1
    at = fn share -> elem(ranked, round(last * share)) end
    %{p50: at.(0.5), p99: at.(0.99), p999: at.(0.999)}
  end
end

Bench.main(Latency)
