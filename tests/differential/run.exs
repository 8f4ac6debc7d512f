# The scenarios on the BEAM.
#
#     elixir run.exs SCENARIOS TRANSCRIPTS
#
# SCENARIOS holds an Elixir term, TRANSCRIPTS becomes JSON. `record.py` writes the one
# and reads the other; README.md tells what the steps mean.

Code.require_file("world.exs", __DIR__)
Code.require_file("steps.exs", __DIR__)

defmodule Runner do
  @limit 20_000

  def run(%{"bodies" => bodies}) do
    world = World.new(bodies)
    {main, ref} = spawn_monitor(fn -> Steps.run_as(world, "main", "main") end)

    receive do
      {:DOWN, ^ref, :process, ^main, reason} -> World.log(world, ["end", reason])
    after
      @limit -> World.log(world, ["end", "never"])
    end

    transcript = World.transcript(world)
    Enum.each([world.tasks, main | World.processes(world)], &stop/1)
    transcript
  end

  defp stop(pid) do
    ref = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^ref, _, _, _} -> :ok
    end
  end
end

[scenarios, transcripts] = System.argv()
Logger.configure(level: :none)
{scenarios, _} = Code.eval_file(scenarios)

json =
  JSON.encode(%{
    "elixir" => System.version(),
    "otp" => System.otp_release(),
    "transcripts" => Map.new(scenarios, fn s -> {s["name"], Runner.run(s)} end)
  })

File.write!(transcripts, json)
