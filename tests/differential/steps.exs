# What each step of a scenario does.

defmodule Tree do
  # OTP's own flags: Elixir's `Supervisor.init` has got `auto_shutdown` only later.
  use Supervisor

  @defaults %{strategy: :one_for_one, intensity: 3, period: 5}
  @names [max_restarts: :intensity, max_seconds: :period]

  def init({flags, specs}) do
    flags = for {key, value} <- flags, into: @defaults, do: {@names[key] || key, value}
    {:ok, {flags, specs}}
  end
end

defmodule Steps do
  import World

  # Run a body in the process that calls, under its name.
  def run_as(world, name, body) do
    world = %{world | name: name}
    bind(world, name, self())
    body(world, body)
  end

  def body(world, body) do
    case run(Map.fetch!(world.bodies, body), world) do
      {:return, value} -> value
      _ -> nil
    end
  end

  defp run([], _), do: nil

  defp run([step | rest], world) do
    case step(step, world) do
      {:return, _} = value -> value
      _ -> run(rest, world)
    end
  end

  defp child(world, name, body), do: fn -> run_as(world, name, body) end

  # What a verb answers is logged; so is that it refused.
  defp answer(world, verb, fun) do
    value =
      try do
        fun.()
      rescue
        _ in [ArgumentError, ErlangError, FunctionClauseError] -> :refused
      end

    log(world, [verb, value])
  end

  defp outcome(fun) do
    {:ok, fun.()}
  catch
    :exit, reason -> {:exit, reason}
  end

  defp limit("infinity"), do: :infinity
  defp limit("brutal_kill"), do: :brutal_kill
  defp limit(ms), do: ms

  # Control.
  defp step(["return", value], world), do: {:return, term(world, value)}
  defp step(["log", value], world), do: log(world, ["log", term(world, value)])
  defp step(["note", value], world), do: log(world, term(world, value), "*")
  defp step(["sleep", ms], _), do: Process.sleep(ms)
  defp step(["exit", reason], world), do: exit(term(world, reason))
  defp step(["raise", message], _), do: raise(message)
  defp step(["call", body], world), do: run(world.bodies[body], world)

  defp step(["repeat", n, body], world),
    do: Enum.each(1..n, fn _ -> run(world.bodies[body], world) end)

  defp step(["catch", body], world) do
    run(world.bodies[body], world)
  rescue
    error -> log(world, ["caught", error])
  catch
    :exit, reason -> log(world, ["caught", {"exit", reason}])
  end

  defp step(["ensure", body, cleanup], world) do
    run(world.bodies[body], world)
  after
    run(world.bodies[cleanup], world)
  end

  # Processes.
  defp step(["spawn", name, body], world),
    do: bind(world, name, spawn(child(world, name, body)))

  defp step(["spawn_link", name, body], world),
    do: bind(world, name, spawn_link(child(world, name, body)))

  defp step(["spawn_monitor", name, body, ref], world) do
    {pid, monitor} = spawn_monitor(child(world, name, body))
    bind(world, name, pid)
    bind(world, ref, monitor)
  end

  defp step(["signal", name, reason], world),
    do: Process.exit(lookup(world, name), term(world, reason))

  defp step(["trap_exit", flag], world),
    do: answer(world, "trap_exit", fn -> Process.flag(:trap_exit, flag) end)

  defp step(["alive", name], world),
    do: log(world, ["alive", name, Process.alive?(lookup(world, name))])

  defp step(["link", name], world),
    do: answer(world, "link", fn -> Process.link(lookup(world, name)) && :ok end)

  defp step(["unlink", name], world), do: Process.unlink(lookup(world, name))

  defp step(["monitor", name, ref], world),
    do: bind(world, ref, Process.monitor(lookup(world, name)))

  defp step(["monitor_name", name, ref], world),
    do: bind(world, ref, Process.monitor(String.to_atom(name)))

  defp step(["monitor_alias", name, ref, mode], world),
    do: bind(world, ref, :erlang.monitor(:process, lookup(world, name), alias: String.to_atom(mode)))

  defp step(["demonitor", ref], world),
    do: log(world, ["demonitor", Process.demonitor(lookup(world, ref), [:info])])

  defp step(["demonitor_flush", ref], world),
    do: log(world, ["demonitor", Process.demonitor(lookup(world, ref), [:flush, :info])])

  defp step(["left"], world) do
    info = Process.info(self(), [:message_queue_len, :links, :monitors])
    log(world, ["left", info[:message_queue_len], length(info[:links]), length(info[:monitors])])
  end

  defp step(["links"], world) do
    {:links, links} = Process.info(self(), :links)
    log(world, ["links", Enum.sort(normal(world, links))])
  end

  # Names.
  defp step(["register", name, who], world) do
    answer(world, "register", fn ->
      Process.register(lookup(world, who), String.to_atom(name)) && :ok
    end)
  end

  defp step(["unregister", name], world),
    do: answer(world, "unregister", fn -> Process.unregister(String.to_atom(name)) && :ok end)

  defp step(["whereis", name], world),
    do: log(world, ["whereis", Process.whereis(String.to_atom(name))])

  # Messages.
  defp step(["send", name, message], world),
    do: send(lookup(world, name), term(world, message))

  defp step(["send_name", name, message], world) do
    answer(world, "send_name", fn ->
      send(String.to_atom(name), term(world, message)) && :ok
    end)
  end

  defp step(["make_ref", name], world), do: bind(world, name, make_ref())

  defp step(["alias", name, mode], world) do
    mode = %{"explicit" => :explicit_unalias, "reply" => :reply}[mode]
    bind(world, name, :erlang.alias([mode]))
  end

  defp step(["unalias", name], world),
    do: log(world, ["unalias", :erlang.unalias(lookup(world, name))])

  defp step(["receive"], world), do: step(["receive", %{}], world)

  defp step(["receive", options], world) do
    only = for m <- options["only"] || [], into: %{}, do: {term(world, m), true}
    tags = for t <- options["tag"] || [], into: %{}, do: {String.to_atom(t), true}
    refs = for r <- options["ref"] || [], into: %{}, do: {lookup(world, r), true}
    any = only == %{} and tags == %{} and refs == %{}

    message =
      receive do
        m when any -> m
        m when is_map_key(only, m) -> m
        m when is_tuple(m) and is_map_key(tags, elem(m, 0)) -> m
        m when is_tuple(m) and is_map_key(refs, elem(m, 0)) -> m
        m when is_tuple(m) and is_map_key(refs, elem(m, 1)) -> m
      after
        options["after"] || :infinity -> :nothing
      end

    log(world, ["receive", message])
  end

  defp step(["drain"], world), do: log(world, ["drain", drain()])

  # Timers.
  defp step(["send_after", timer, name, message, ms], world) do
    ref = Process.send_after(lookup(world, name), term(world, message), ms)
    put(world, timer, ref)
  end

  defp step(["send_after_name", timer, name, message, ms], world),
    do: put(world, timer, Process.send_after(String.to_atom(name), term(world, message), ms))

  defp step(["start_timer", timer, name, message, ms], world) do
    ref = :erlang.start_timer(ms, lookup(world, name), term(world, message))
    bind(world, "#" <> timer, ref)
    put(world, timer, ref)
  end

  defp step(["cancel_timer", timer], world),
    do: log(world, ["cancel_timer", Process.cancel_timer(get(world, timer)) != false])

  defp step(["read_timer", timer], world),
    do: log(world, ["read_timer", Process.read_timer(get(world, timer)) != false])

  # Tasks.
  defp step(["async", name, body], world),
    do: task(world, name, Task.async(child(world, name, body)))

  defp step(["async_nolink", name, body], world) do
    task(world, name, Task.Supervisor.async_nolink(world.tasks, child(world, name, body)))
  end

  defp step(["completed", name, value], world),
    do: task(world, name, Task.completed(term(world, value)))

  defp step(["start", name, body], world) do
    {:ok, pid} = Task.start(child(world, name, body))
    bind(world, name, pid)
  end

  defp step(["start_link", name, body], world) do
    {:ok, pid} = Task.start_link(child(world, name, body))
    bind(world, name, pid)
  end

  defp step(["await", name, ms], world) do
    answer(world, "await", fn -> outcome(fn -> Task.await(get(world, name), limit(ms)) end) end)
  end

  defp step(["await_through", name, ms], world) do
    log(world, ["await_through", Task.await(get(world, name), limit(ms))])
  end

  defp step(["await_many", names, ms], world) do
    answer(world, "await_many", fn ->
      outcome(fn -> Task.await_many(tasks(world, names), limit(ms)) end)
    end)
  end

  defp step(["yield", name, ms], world),
    do: answer(world, "yield", fn -> Task.yield(get(world, name), limit(ms)) end)

  defp step(["yield_many", names, ms], world) do
    answer(world, "yield_many", fn ->
      for {_, result} <- Task.yield_many(tasks(world, names), limit(ms)), do: result
    end)
  end

  defp step(["shutdown", name, ms], world),
    do: answer(world, "shutdown", fn -> Task.shutdown(get(world, name), limit(ms)) end)

  defp step(["ignore", name], world),
    do: answer(world, "ignore", fn -> Task.ignore(get(world, name)) end)

  defp step(["find", names], world) do
    message =
      receive do
        message -> message
      end

    answer(world, "find", fn ->
      outcome(fn -> found(world, names, apply(Task, :find, [tasks(world, names), message])) end)
    end)
  end

  # Streams.
  defp step(["stream", items, options], world) do
    answer(world, "stream", fn ->
      outcome(fn -> consume(world, stream(world, items, options), options) && :end end)
    end)
  end

  # Supervisors.
  defp step(["ack"], world),
    do: send(get(world, "starter of #{world.name}"), {:ack, self()})

  defp step(["supervisor", name, options], world) do
    specs = Enum.map(options["children"], &spec(world, &1))
    keys = ["strategy", "max_restarts", "max_seconds", "auto_shutdown"]
    flags = options |> Map.take(keys) |> Enum.map(&flag/1)

    answer(world, "supervisor", fn ->
      started(world, name, Supervisor.start_link(Tree, {flags, specs}))
    end)
  end

  defp step(["start_child", name, child], world) do
    managed(world, "start_child", fn ->
      Supervisor.start_child(lookup(world, name), spec(world, child))
    end)
  end

  defp step([verb, name, id], world)
       when verb in ["terminate_child", "restart_child", "delete_child"] do
    verb_atom = String.to_existing_atom(verb)
    managed(world, verb, fn -> apply(Supervisor, verb_atom, [lookup(world, name), id]) end)
  end

  defp step(["which_children", name], world) do
    answer(world, "which_children", fn ->
      for {id, pid, _, _} <- Supervisor.which_children(lookup(world, name)), do: {id, pid}
    end)
  end

  defp step(["count_children", name], world) do
    answer(world, "count_children", fn ->
      count = Supervisor.count_children(lookup(world, name))
      {count.specs, count.active, count.supervisors, count.workers}
    end)
  end

  defp step(["stop", name, reason], world) do
    answer(world, "stop", fn ->
      case outcome(fn -> Supervisor.stop(lookup(world, name), term(world, reason)) end) do
        {:ok, :ok} -> :ok
        other -> other
      end
    end)
  end

  # Task supervisors.
  defp step(["task_supervisor", name, options], world) do
    flags = options |> Map.take(["max_restarts", "max_children"]) |> Enum.map(&flag/1)
    {:ok, pid} = Task.Supervisor.start_link(flags)
    bind(world, name, pid)
  end

  defp step([verb, sup, name, body], world) when verb in ["sup_async", "sup_async_nolink"] do
    start =
      case verb do
        "sup_async" -> &Task.Supervisor.async/2
        "sup_async_nolink" -> &Task.Supervisor.async_nolink/2
      end

    try do
      task(world, name, start.(lookup(world, sup), child(world, name, body)))
    rescue
      _ in RuntimeError -> log(world, [verb, :max_children])
    end
  end

  defp step(["sup_start_child", sup, name, body, options], world) do
    flags = [
      restart: String.to_atom(options["restart"] || "temporary"),
      shutdown: limit(options["shutdown"] || 5000)
    ]

    fun = child(world, name, body)

    case Task.Supervisor.start_child(lookup(world, sup), fun, flags) do
      {:ok, _} -> log(world, ["sup_start_child", :ok])
      {:error, reason} -> log(world, ["sup_start_child", reason])
    end
  end

  defp step(["sup_terminate_child", sup, name], world) do
    managed(world, "sup_terminate_child", fn ->
      Task.Supervisor.terminate_child(lookup(world, sup), lookup(world, name))
    end)
  end

  defp step(["sup_children", sup], world) do
    children = Task.Supervisor.children(lookup(world, sup))
    log(world, ["sup_children", Enum.sort(normal(world, children))])
  end

  defp drain do
    receive do
      message -> [message | drain()]
    after
      0 -> []
    end
  end

  defp task(world, name, task) do
    put(world, name, task)
    if task.pid, do: bind(world, name, task.pid)
    bind(world, "#" <> name, task.ref)
  end

  defp tasks(world, names), do: Enum.map(names, &get(world, &1))

  defp found(_, _, nil), do: nil

  defp found(world, names, {value, task}),
    do: {value, Enum.find(names, &(get(world, &1).ref == task.ref))}

  defp stream(world, items, options) do
    input =
      Stream.map(items, fn item ->
        if options["pulls"], do: log(world, ["pull", item])
        if String.starts_with?(item, "!"), do: raise(item), else: item
      end)

    keys = ["max_concurrency", "ordered", "timeout", "on_timeout", "zip_input_on_exit"]
    flags = options |> Map.take(keys) |> Enum.map(&flag/1)
    run = fn item -> run_as(world, item, item) end

    case options["supervised"] do
      nil -> Task.async_stream(input, run, flags)
      "link" -> Task.Supervisor.async_stream(world.tasks, input, run, flags)
      "nolink" -> Task.Supervisor.async_stream_nolink(world.tasks, input, run, flags)
    end
  end

  defp consume(world, stream, options) do
    seen = fn element, n ->
      log(world, ["element", element])
      if options["then"], do: run(world.bodies[options["then"]], world)
      if options["raise_at"] == n, do: raise("enough")
      {[element], n + 1}
    end

    stream
    |> Stream.transform(1, seen)
    |> Enum.take(options["take"] || 1_000_000)
  end

  defp flag({key, value}) when is_binary(value),
    do: {String.to_existing_atom(key), String.to_atom(value)}

  defp flag({key, value}), do: {String.to_existing_atom(key), value}

  defp spec(world, child) do
    %{
      id: child["id"],
      start: {Steps, :start_of_child, [world, child]},
      restart: String.to_atom(child["restart"] || "permanent"),
      shutdown: limit(child["shutdown"] || 1000),
      type: String.to_atom(child["type"] || "worker"),
      significant: child["significant"] || false
    }
  end

  def start_of_child(world, child) do
    id = child["id"]
    attempt = count(world, id)
    log(world, ["start", id], "*")

    cond do
      attempt in (child["fails"] || []) -> {:error, :no_luck}
      attempt in (child["ignores"] || []) -> :ignore
      child["children"] -> tree(world, id, child)
      true -> {:ok, start_worker(world, id, child)}
    end
  end

  defp start_worker(world, id, child) do
    put(world, "starter of #{id}", self())
    pid = bind(world, id, spawn_link(child(world, id, child["body"])))

    if child["acks"] do
      receive do
        {:ack, ^pid} -> pid
      end
    else
      pid
    end
  end

  defp tree(world, id, child) do
    specs = Enum.map(child["children"], &spec(world, &1))
    {:ok, pid} = Supervisor.start_link(Tree, {[max_restarts: child["max_restarts"] || 3], specs})
    {:ok, bind(world, id, pid)}
  end

  defp started(world, name, {:ok, pid}) do
    bind(world, name, pid)
    :ok
  end

  defp started(_, _, {:error, reason}), do: {:error, reason}

  defp managed(world, verb, fun) do
    answer(world, verb, fn ->
      case outcome(fun) do
        {:ok, :ok} -> :ok
        {:ok, {:ok, pid}} -> {:ok, pid}
        {:ok, {:error, {:already_started, _}}} -> {:error, :already}
        {:ok, {:error, already}} when already in [:already_present, :running] -> {:error, :already}
        {:ok, {:error, :restarting}} -> {:error, :already}
        {:ok, {:error, {reason, spec}}} when elem(spec, 0) == :child -> {:error, reason}
        {:ok, {:error, reason}} -> {:error, reason}
        {:exit, reason} -> {:exit, reason}
      end
    end)
  end
end
