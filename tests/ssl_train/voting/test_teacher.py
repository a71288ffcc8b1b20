"""What a vote is worth by the labels, and what vote and network say together."""

import math

import pytest
import torch
from railmatch.classifier.errors import DataError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.methods import PseudoLabels
from railmatch.ssl_train.voting.teacher import VoteTeacher, vote_log_odds


def records(labels):
    return [Record(f"r{number}", Exchange(f"text {number}"), label) for number, label in enumerate(labels)]


def test_a_vote_is_worth_the_smoothed_share_of_harmful_labels_that_got_it():
    labelled = records([0, 0, 0, 1, 1, 1, 1, 1])
    votes = {"r0": 0, "r1": 0, "r2": 0, "r3": 0, "r4": 4, "r5": 4, "r6": 4, "r7": 4}
    worth = vote_log_odds(votes, labelled)
    # vote 0: 1 of 4 harmful -> (1 + 1) / (4 + 2) = 1/3; vote 4: 4 of 4 -> 5/6; votes nobody gave: 1/2
    assert worth[0] == pytest.approx(math.log(1 / 2))
    assert worth[2] == pytest.approx(0.0)
    assert worth[4] == pytest.approx(math.log(5))


def test_a_higher_vote_never_means_less_harm():
    labelled = records([1] * 4 + [0] * 4)
    votes = {f"r{number}": 1 if number < 4 else 3 for number in range(8)}  # the votes are upside down
    worth = vote_log_odds(votes, labelled)
    assert [worth[vote] for vote in range(5)] == sorted(worth.values())


def test_vote_and_network_add_their_log_odds():
    teacher = VoteTeacher(log_odds=torch.tensor([1.0, 0.0]), voted=torch.tensor([True, False]), trust=0.5)
    weak = torch.tensor([[[0.0, 2.0]], [[3.0, 0.0]]])
    pseudo = PseudoLabels(torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]]), torch.tensor([[0.0], [0.0]]))
    taught = teacher.teach(pseudo, weak, torch.tensor([0, 1]))
    harmful = 1 / (1 + math.exp(-(1.0 + 0.5 * 2.0)))
    assert taught.targets[0, 0].tolist() == pytest.approx([1 - harmful, harmful])
    assert taught.weights.tolist() == [[1.0], [0.0]]


def test_the_share_of_harmful_labels_counts_once():
    # Nine unharmful labels and one harmful one got vote 0: (1 + 1) / (10 + 2) = 1/6, and their prior is 2/10. A network
    # that has learnt no more than the prior adds nothing to the vote.
    labelled = records([1] + [0] * 9)
    votes = {record.id: 0 for record in labelled} | {"p": 0}
    teacher = VoteTeacher.of(votes, labelled, [Record("p", Exchange("x"))], trust=1.0)
    pseudo = PseudoLabels(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0.0]]))
    taught = teacher.teach(pseudo, torch.tensor([[[0.0, math.log(2 / 10)]]]), torch.tensor([0]))
    assert taught.targets[0, 0].tolist() == pytest.approx([5 / 6, 1 / 6])


def taught_by(teacher: VoteTeacher, margin: float) -> float:
    """The harmful probability that the first text's target holds, beside a network with this margin."""
    pseudo = PseudoLabels(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[0.0]]))
    return teacher.teach(pseudo, torch.tensor([[[0.0, margin]]]), torch.tensor([0])).targets[0, 0, 1].item()


def test_with_a_known_share_of_harmful_texts_votes_are_weighed_for_such_a_pool():
    # All 4 harmful labels got vote 4: 5/6, so 5 to 1 in the balanced draw; in a pool of 1 to 4 it is 5 to 4.
    labelled = records([1] * 4 + [0] * 4)
    votes = {record.id: 4 * int(record.label == 1) for record in labelled} | {"p": 4, "q": 0}
    pool = [Record(name, Exchange(name)) for name in "pqr"]
    teacher = VoteTeacher.of(votes, labelled, pool, trust=0.5, class_prior=0.2)
    assert teacher.log_odds.tolist() == pytest.approx([math.log(5 / 4), math.log(1 / 20), 0.0])
    # a network that holds no more than the pool's share adds nothing; one that finds it 9 times as harmful adds 3
    assert taught_by(teacher, math.log(1 / 4)) == pytest.approx(5 / 9)
    assert taught_by(teacher, math.log(9 / 4)) == pytest.approx(15 / 19)
    plain = VoteTeacher.of(votes, labelled, pool, trust=0.5)
    assert plain.log_odds.tolist() == pytest.approx([math.log(5), -math.log(5), 0.0])


def test_the_share_among_unbalanced_labels_gives_way_to_that_of_the_pool():
    # One of ten labels is harmful, (1 + 1) to (9 + 1), and vote 0 on all of them says just that: in a pool of 1 to 1,
    # nothing.
    labelled = records([1] + [0] * 9)
    votes = {record.id: 0 for record in labelled} | {"p": 0}
    teacher = VoteTeacher.of(votes, labelled, [Record("p", Exchange("x"))], trust=1.0, class_prior=0.5)
    assert taught_by(teacher, 0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("trust", [0.0, 0.5, 0.9])
def test_a_network_that_learns_its_own_targets_comes_to_hold_the_known_share_and_no_more(trust: float):
    labelled = records([1, 0])
    votes = {"r0": 2, "r1": 2, "p": 2}  # a vote that says nothing
    teacher = VoteTeacher.of(votes, labelled, [Record("p", Exchange("x"))], trust=trust, class_prior=0.2)
    margin, shares = 0.0, []
    for _ in range(100):
        shares.append(taught_by(teacher, margin))
        margin = math.log(shares[-1] / (1 - shares[-1]))
    assert all(0.2 - 1e-4 <= share <= 0.5 for share in shares)
    assert shares[-1] == pytest.approx(0.2, abs=1e-4)


def test_a_vote_says_nothing_of_a_class_that_only_training_knows():
    teacher = VoteTeacher(log_odds=torch.tensor([2.0, 2.0]), voted=torch.tensor([True, True]), trust=1.0)
    weak = torch.tensor([[[0.0, 1.0, 5.0]]] * 2)
    pseudo = PseudoLabels(torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]]), torch.tensor([[0.0], [0.25]]))
    taught = teacher.teach(pseudo, weak, torch.tensor([0, 1]))
    harmful = 1 / (1 + math.exp(-3.0))
    assert taught.targets[0, 0].tolist() == pytest.approx([1 - harmful, harmful, 0])
    assert taught.targets[1, 0].tolist() == [0.0, 0.0, 1.0]
    assert taught.weights.tolist() == [[1.0], [0.25]]


@pytest.mark.parametrize(
    ("trust", "voted", "alone"), [(0.0, [True, True], True), (0.1, [True, True], False), (0.0, [True, False], False)]
)
def test_votes_decide_all_where_every_text_has_one_and_the_network_is_not_trusted(
    trust: float, voted: list[bool], alone: bool
):
    assert VoteTeacher(torch.zeros(2), torch.tensor(voted), trust).decide_all == alone


def test_votes_alone_label_every_head_and_no_class_that_only_training_knows():
    teacher = VoteTeacher(torch.tensor([0.0, math.log(4), -math.log(9)]), torch.ones(3, dtype=torch.bool), trust=0.0)
    said = teacher.labels(torch.tensor([2, 1]), heads=3, classes=3, device=torch.device("cpu"))
    assert said.targets[0].tolist() == [pytest.approx([0.9, 0.1, 0])] * 3
    assert said.targets[1].tolist() == [pytest.approx([0.2, 0.8, 0])] * 3
    assert said.weights.tolist() == [[1.0] * 3] * 2


def test_a_text_without_a_vote_keeps_its_pseudo_label():
    teacher = VoteTeacher.of({"r0": 4, "r1": 0}, records([1, 0]), [Record("p", Exchange("x"))], trust=1.0)
    pseudo = PseudoLabels(torch.tensor([[[0.3, 0.7]]]), torch.tensor([[2.0]]))
    taught = teacher.teach(pseudo, torch.zeros(1, 1, 2), torch.tensor([0]))
    assert torch.equal(taught.targets, pseudo.targets)
    assert torch.equal(taught.weights, pseudo.weights)


def test_votes_need_labels_that_say_what_they_are_worth():
    with pytest.raises(DataError, match="none of the labelled examples has a vote"):
        VoteTeacher.of({"p": 3}, records([0, 1]), [Record("p", Exchange("x"))], trust=1.0)
