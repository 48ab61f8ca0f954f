import torch
from torch import nn

from harness.sandbox.inside.first_weights import NoFirstWeights


def test_nothing_is_drawn_for_weights_that_are_loaded():
    sevens = torch.full((4, 3), 7.0)
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    with NoFirstWeights():
        assert nn.init.normal_(sevens) is sevens
        assert nn.init.kaiming_uniform_(tensor=sevens) is sevens
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GRU(4, 2))
        assert torch.equal(torch.rand(2), expected)
    assert torch.equal(sevens, torch.full((4, 3), 7.0))
    loaded = {name: torch.full_like(value, 2) for name, value in network.state_dict().items()}
    network.load_state_dict(loaded)
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())


def test_weights_are_drawn_again_afterwards():
    with NoFirstWeights():
        pass
    drawn = nn.init.uniform_(torch.zeros(100), generator=torch.Generator().manual_seed(0))
    assert drawn.std() > 0.2
