"""The attention that is reported is the one that PyTorch takes."""

import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.classifier.engine.attention import attention_kernel


def test_it_names_the_kernel_with_and_without_padding(tiny_encoder: object) -> None:
    network, _ = load_backbone(str(tiny_encoder), heads=1)
    named = attention_kernel(network, columns=64)
    assert named in {
        "sdpa: FLASH_ATTENTION with padding, FLASH_ATTENTION without",
        "sdpa: MATH with padding, FLASH_ATTENTION without",
    }
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        assert attention_kernel(network, columns=64) == "sdpa: MATH with padding, MATH without"


def test_it_names_what_is_no_choice_of_pytorchs(tiny_encoder: object) -> None:
    network, _ = load_backbone(str(tiny_encoder), heads=1)
    network.bert.set_attn_implementation("eager")
    assert attention_kernel(network, columns=64) == "eager"
