"""The roster alone: who is up, by what the head lists and what is linked."""

from __future__ import annotations

from fastask._nodes.dask.roster import Roster
from fastask._nodes.engine import Peer

OLD = Peer("a@h", "1", "tcp://h:1")
NEW = Peer("a@h", "2", "tcp://h:2")


class World:
    """A roster, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.roster = Roster(
            "me@h",
            lambda peer: self.told.append(("up", peer.incarnation)),
            lambda peer: self.told.append(("down", peer.incarnation)),
        )


class TestRoster:
    def test_tells_each_change_once(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.joined("w1", OLD)
        world.roster.left("w1")
        world.roster.left("w1")

        assert world.told == [("up", "1"), ("down", "1")]

    def test_leaves_oneself_out(self) -> None:
        world = World()
        world.roster.joined("w1", Peer("me@h", "9", "tcp://h:9"))
        world.roster.left("w1")

        assert world.told == []

    def test_replaces_an_incarnation_by_the_next(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.linked(OLD)
        world.roster.joined("w2", NEW)
        world.roster.unlinked(OLD)
        world.roster.left("w1")

        assert world.told == [("up", "1"), ("down", "1"), ("up", "2")]

    def test_keeps_a_node_whose_link_lives(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.linked(OLD)
        world.roster.linked(OLD)
        world.roster.left("w1")
        world.roster.unlinked(OLD)
        assert world.told == [("up", "1")]

        world.roster.unlinked(OLD)
        assert world.told == [("up", "1"), ("down", "1")]

    def test_keeps_a_node_that_is_listed_again_at_another_address(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.linked(OLD)
        world.roster.left("w1")
        world.roster.joined("w2", OLD)
        world.roster.unlinked(OLD)

        assert world.told == [("up", "1")]

    def test_stands_still_without_a_head(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.linked(OLD)
        world.roster.stand_still()
        world.roster.unlinked(OLD)

        assert world.told == [("up", "1")]
        assert world.roster.find("a@h") == OLD

    def test_lets_who_is_missing_go_when_it_settles(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.joined("w3", Peer("b@h", "3", "tcp://h:3"))
        world.roster.stand_still()
        world.roster.replace({"w4": Peer("b@h", "3", "tcp://h:3")})
        assert world.told == [("up", "1"), ("up", "3")]

        world.roster.settle()
        assert world.told[2:] == [("down", "1")]

    def test_a_list_with_a_new_incarnation_replaces_the_old_one(self) -> None:
        world = World()
        world.roster.joined("w1", OLD)
        world.roster.stand_still()
        world.roster.replace({"w2": NEW})
        world.roster.settle()

        assert world.told == [("up", "1"), ("down", "1"), ("up", "2")]
        assert dict(world.roster.peers) == {"a@h": NEW}
