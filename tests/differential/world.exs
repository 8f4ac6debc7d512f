# What the processes of a scenario share, and how it is written down.

defmodule World do
  # What the processes of one scenario share: names and transcripts.
  defstruct [:table, :bodies, :tasks, :name]

  def new(bodies) do
    table = :ets.new(:world, [:public, :ordered_set])
    {:ok, tasks} = Task.Supervisor.start_link()
    Process.unlink(tasks)
    %World{table: table, bodies: bodies, tasks: tasks, name: "main"}
  end

  def bind(world, name, term) do
    :ets.insert(world.table, [{{:bound, name}, term}, {{:name, term}, name}])
    term
  end

  def put(world, key, term), do: :ets.insert(world.table, {{:put, key}, term})
  def get(world, key), do: :ets.lookup_element(world.table, {:put, key}, 2)
  def count(world, key), do: :ets.update_counter(world.table, {:count, key}, 1, {nil, 0})

  def lookup(_, "self"), do: self()
  def lookup(world, name), do: :ets.lookup_element(world.table, {:bound, name}, 2)

  def processes(world) do
    for [pid] <- :ets.match(world.table, {{:name, :"$1"}, :_}), is_pid(pid), do: pid
  end

  def log(world, event, who \\ nil) do
    key = {:log, :erlang.unique_integer([:monotonic])}
    :ets.insert(world.table, {key, who || world.name, normal(world, event)})
  end

  def transcript(world) do
    :ets.match(world.table, {{:log, :"$1"}, :"$2", :"$3"})
    |> Enum.group_by(fn [_, who, _] -> who end, fn [_, _, event] -> event end)
  end

  # What a scenario writes, as a term.
  def term(world, "@" <> name), do: lookup(world, name)
  def term(world, "#" <> _ = name), do: lookup(world, name)
  def term(_, text) when is_binary(text), do: String.to_atom(text)
  def term(world, list) when is_list(list), do: list |> terms(world) |> List.to_tuple()
  def term(_, other), do: other

  defp terms(list, world), do: Enum.map(list, &term(world, &1))

  # A term, as the transcripts write it.
  def normal(world, {:DOWN, ref, :process, object, reason}),
    do: ["DOWN" | normal(world, [ref, object, reason])]

  def normal(_, {name, node}) when node == node(), do: Atom.to_string(name)
  def normal(_, {%{__exception__: true} = error, stack}) when is_list(stack), do: error(error)
  def normal(_, %{__exception__: true} = error), do: error(error)
  def normal(world, {reason, {Task, _, _}}), do: normal(world, reason)
  def normal(world, {reason, {Task.Supervised, _, _}}), do: normal(world, reason)
  def normal(world, {reason, {GenServer, _, _}}), do: normal(world, reason)
  def normal(world, tuple) when is_tuple(tuple), do: normal(world, Tuple.to_list(tuple))
  def normal(world, list) when is_list(list), do: Enum.map(list, &normal(world, &1))
  def normal(world, pid) when is_pid(pid), do: "<#{name_of(world, pid)}>"
  def normal(world, ref) when is_reference(ref), do: name_of(world, ref)
  def normal(_, other) when other in [nil, true, false], do: other
  def normal(_, :undefined), do: nil
  def normal(_, atom) when is_atom(atom), do: Atom.to_string(atom)
  def normal(_, other), do: other

  defp error(error), do: ["error", Exception.message(error)]

  defp name_of(world, term) do
    case :ets.lookup(world.table, {:name, term}) do
      [{_, name}] -> name
      [] -> "?"
    end
  end
end

defmodule JSON do
  def encode(nil), do: "null"
  def encode(value) when is_boolean(value) or is_number(value), do: to_string(value)
  def encode(atom) when is_atom(atom), do: encode(Atom.to_string(atom))
  def encode(text) when is_binary(text), do: inspect(text)
  def encode(list) when is_list(list), do: "[" <> Enum.map_join(list, ",", &encode/1) <> "]"

  def encode(%{} = map) do
    "{" <> Enum.map_join(map, ",", fn {k, v} -> encode(k) <> ":" <> encode(v) end) <> "}"
  end
end
