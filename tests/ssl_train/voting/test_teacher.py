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


def test_a_vote_says_nothing_of_a_class_that_only_training_knows():
    teacher = VoteTeacher(log_odds=torch.tensor([2.0, 2.0]), voted=torch.tensor([True, True]), trust=1.0)
    weak = torch.tensor([[[0.0, 1.0, 5.0]]] * 2)
    pseudo = PseudoLabels(torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]]]), torch.tensor([[0.0], [0.25]]))
    taught = teacher.teach(pseudo, weak, torch.tensor([0, 1]))
    harmful = 1 / (1 + math.exp(-3.0))
    assert taught.targets[0, 0].tolist() == pytest.approx([1 - harmful, harmful, 0])
    assert taught.targets[1, 0].tolist() == [0.0, 0.0, 1.0]
    assert taught.weights.tolist() == [[1.0], [0.25]]


def test_a_text_without_a_vote_keeps_its_pseudo_label():
    teacher = VoteTeacher.of({"r0": 4, "r1": 0}, records([1, 0]), [Record("p", Exchange("x"))], trust=1.0)
    pseudo = PseudoLabels(torch.tensor([[[0.3, 0.7]]]), torch.tensor([[2.0]]))
    taught = teacher.teach(pseudo, torch.zeros(1, 1, 2), torch.tensor([0]))
    assert torch.equal(taught.targets, pseudo.targets)
    assert torch.equal(taught.weights, pseudo.weights)


def test_votes_need_labels_that_say_what_they_are_worth():
    with pytest.raises(DataError, match="none of the labelled examples has a vote"):
        VoteTeacher.of({"p": 3}, records([0, 1]), [Record("p", Exchange("x"))], trust=1.0)
