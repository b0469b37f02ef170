"""From points to recipes: every point of a checked space is a valid recipe, every other space is refused."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.engine.plan import flops_per_step
from goodfit.errors import InputError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.search.recipes import (
    LIMITS,
    MOST,
    default_batch_size,
    default_optimizers,
    default_space,
    recipe_of,
    recipe_space,
    typical,
)
from goodfit.search.region import Region
from goodfit.search.space import Space, choice, integer, log_uniform, uniform
from goodfit.techniques.augmentation import Shift
from goodfit.techniques.embeddings import Periodic
from goodfit.techniques.normalization import BatchNorm
from goodfit.techniques.optimizers import SGD, Adam, AdamW, Momentum
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Cosine, StepDecay, WarmUp


def recipe(**tree):
    space = Space(tree)
    return typical(space, next(space.structures()))


# --- default spaces


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(
    ("rows", "network"),
    [
        (100, Network(4, 3, numbers=2)),
        (1000, Network(20, 3)),
        (20_000, Network(20, 3, numbers=5, categories=(12,))),
        (20_000, Network(784, 3)),
        (20_000, Network(784, 3, image=(28, 28, 1))),
        (500, Network(3072, 3, image=(32, 32, 3))),
    ],
)
def test_every_structure_of_a_default_space_is_a_valid_recipe_wherever_it_is_drawn(task, rows, network):
    space = default_space(task, rows, network)
    rng = np.random.default_rng(0)
    for structure in space.structures() if space.size() <= MOST else space.variations():
        for point in Region.whole(space).draw(structure, 2, rng):
            made = recipe_of(space, point)
            assert made.batch_size == default_batch_size(rows)
            assert (made.label_smoothing == 0.0) == (task == "regression")
            assert bool(made.conv) == (network.image is not None)


@pytest.mark.parametrize("rows", [100, 1000, 20_000, 300_000])
@pytest.mark.parametrize(
    "network", [Network(4, 1), Network(784, 1), Network(784, 1, image=(28, 28, 1))], ids=str
)
def test_default_spaces_respect_the_most_work(rows, network):
    most = 500e6 if network.image is None else 2e9
    space = default_space("regression", rows, network, most=most)
    for structure in space.variations():
        assert flops_per_step(network, typical(space, structure)) <= most
    assert default_space("regression", rows, network, most=1).size() >= 4


def test_the_first_network_of_a_table_is_that_of_tables():
    for task, rate in (("classification", 0.04), ("regression", 0.2)):
        space = default_space(task, 5000, Network(9, 3, numbers=6))
        made = typical(space, next(space.structures()))
        assert made.ntk
        assert made.parametric
        assert made.embedding == Periodic(pytest.approx(0.12, rel=0.1))
        assert rate / 2 < made.optimizer.lr < 2 * rate
        plain = typical(space, space.structure_with({"ntk": 1}))
        assert (plain.ntk, plain.embedding, plain.front_scale) == (False, None, False)


def test_photographs_may_be_mirrored_and_digits_not():
    digits = default_space("classification", 5000, Network(784, 10, image=(28, 28, 1)))
    photographs = default_space("classification", 5000, Network(3072, 10, image=(32, 32, 3)))
    assert "Flip" in photographs.choices["augmentation"].options
    assert digits.choices["augmentation"].options == ("Shift", None)
    assert typical(digits, next(digits.structures())).augmentation == (Shift(2),)


def test_batch_sizes_grow_with_the_rows():
    sizes = [default_batch_size(rows) for rows in (10, 600, 3000, 12_000, 10**6)]
    assert sizes == [32, 64, 128, 256, 256]


def test_default_optimizers_have_ranges_of_their_own():
    found = default_optimizers("SGD", "Momentum", "AdamW")
    assert found.options == ("SGD", "Momentum", "AdamW")
    assert [set(below) for below in found.under] == [
        {"lr", "weight_decay"},
        {"lr", "momentum", "weight_decay"},
        {"lr", "weight_decay"},
    ]
    assert len(default_optimizers().options) == 7


def test_the_adaptive_decay_is_decoupled_and_the_others_are_coupled():
    space = default_space("classification", 5000, Network(784, 10))
    adamw, momentum = (
        typical(space, space.structure_with({"optimizer": space.choices["optimizer"].options.index(name)}))
        for name in ("AdamW", "Momentum")
    )
    assert isinstance(adamw.optimizer, AdamW)
    assert (adamw.weight_decay, adamw.optimizer.weight_decay > 0) == (0.0, True)
    assert isinstance(momentum.optimizer, Momentum)
    assert momentum.weight_decay > 0


# --- limits


def test_ranges_get_the_limits_of_their_name_and_keep_their_own():
    space = recipe_space(
        Space(
            {
                "optimizer": choice({"Adam": {"lr": log_uniform(1e-4, 1e-2), "beta1": uniform(0.8, 0.95)}}),
                "dropout": uniform(0.1, 0.5, ceiling=0.7),
                "weight_decay": log_uniform(1e-6, 1e-2, floor=1e-7),
                "clip_norm": integer(1, 5),
            }
        )
    )
    found = {path: box.limits for path, box in space.ranges.items()}
    assert found == {
        "optimizer.Adam.lr": LIMITS["lr"],
        "optimizer.Adam.beta1": LIMITS["beta1"],
        "dropout": (0.0, 0.7),
        "weight_decay": (1e-7, 10.0),
        "clip_norm": (1, 1e6),
    }


def test_a_log_range_of_a_name_whose_limit_is_zero_stays_positive():
    space = recipe_space(Space({"dropout": log_uniform(1e-3, 0.5), "depth": integer(1, 4, log=True)}))
    assert all(box.limits[0] > 0 for box in space.ranges.values())
    assert all(box.between(-99, 99).low > 0 for box in space.ranges.values())


def test_a_range_beyond_the_usual_limits_is_kept():
    space = recipe_space(Space({"optimizer": choice({"Adam": {"lr": log_uniform(1e-12, 1e3)}})}))
    assert space.ranges["optimizer.Adam.lr"].limits == (1e-12, 1e3)


def test_a_name_without_limits_is_never_widened():
    space = recipe_space(Space({"schedule": choice({"StepDecay": {"rate": uniform(0.1, 0.5)}})}))
    assert space.ranges["schedule.StepDecay.rate"].limits == (0.1, 0.5)


def test_every_limit_is_itself_a_valid_value():
    space = default_space("classification", 5000, Network(784, 10))
    for structure in space.structures():
        for share in (-100.0, 100.0):
            point = dict(structure) | {
                path: space.ranges[path].at(share) for path in space.ranges_of(structure)
            }
            drop = recipe_of(space, point).drop
            assert drop is None or 0.0 < drop.ratio < 1.0


@pytest.mark.parametrize(
    "tree",
    [
        {"dropout": uniform(0.0, 1.2)},
        {"dropout": uniform(0.0, 0.5, ceiling=1.0)},
        {"dropout": choice({None: {}, "Dropout": {"ratio": uniform(0.1, 0.5, ceiling=2.0)}})},
        {"optimizer": choice({"Momentum": {"momentum": uniform(0.5, 1.0)}})},
        {"batch_size": uniform(16.0, 64.0)},
        {"batch_size": choice(64, 0)},
        {"activation": choice("relu", "rellu")},
        {"width": integer(0, 64)},
        {"batch_norm": choice(False, True), "layer_norm": choice(False, True)},
    ],
)
def test_a_space_with_an_impossible_recipe_anywhere_in_it_is_refused_before_the_search(tree):
    with pytest.raises(InputError, match=r"(must be|not both|nknown)"):
        recipe_space(Space(tree))


def test_options_of_a_large_space_are_looked_at_too():
    tree = {"batch_size": choice(*range(1, 1500)), "activation": choice("relu", "rellu")}
    assert Space(tree).size() > MOST
    with pytest.raises(InputError, match="rellu"):
        recipe_space(Space(tree))


# --- names


def test_options_that_name_a_technique_become_it():
    made = recipe(
        hidden=(32, 32),
        optimizer=choice({"SGD": {"lr": 0.5}}),
        batch_norm="BatchNorm",
        dropout=choice({"Dropout": {"ratio": 0.25, "scaling": "book"}}),
        schedule=choice({"StepDecay": {"rate": 0.5}}),
    )
    assert made == Recipe(
        hidden=(32, 32),
        optimizer=SGD(0.5),
        batch_norm=BatchNorm(),
        dropout=Dropout(0.25, "book"),
        schedule=StepDecay(rate=0.5),
    )


def test_the_schedule_is_a_cosine_unless_one_is_named():
    assert recipe(hidden=(8,)).schedule == Cosine()
    assert recipe(schedule=choice(None)).schedule is None


def test_a_technique_may_stand_inside_another():
    made = recipe(schedule=choice({"WarmUp": {"share": 0.1, "then": choice({"StepDecay": {"rate": 0.5}})}}))
    assert made.schedule == WarmUp(0.1, StepDecay(rate=0.5))


def test_a_name_under_an_option_goes_to_the_technique_if_it_has_it_else_to_the_recipe():
    for name, decoupled in (("AdamW", True), ("Adam", False)):
        made = recipe(optimizer=choice({name: {"lr": 0.1, "weight_decay": 0.3}}))
        assert made.weight_decay == (0.0 if decoupled else 0.3)
        assert getattr(made.optimizer, "weight_decay", None) == (0.3 if decoupled else None)
    made = recipe(optimizer=choice({"Adam": {"schedule": choice({"StepDecay": {"rate": 0.5}})}}))
    assert made == Recipe(optimizer=Adam(), schedule=StepDecay(rate=0.5))
    made = recipe(batch_norm=choice({False: {"layer_norm": True}, True: {}}))
    assert (made.batch_norm, made.layer_norm) == (False, True)


@pytest.mark.parametrize(
    ("tree", "hidden"),
    [
        ({"width": 32, "depth": 3}, (32, 32, 32)),
        ({"width": 32}, (32, 32)),
        ({"depth": 1}, (100,)),
        ({"width": 32, "depth": 0}, ()),
        ({"width": integer(10, 10), "depth": integer(2, 2)}, (10, 10)),
        ({"activation": choice({"relu": {"width": 7}})}, (7, 7)),
    ],
)
def test_width_and_depth_make_layers_of_equal_width(tree, hidden):
    assert recipe(**tree).hidden == hidden


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"droput": 0.5}, "A recipe has no 'droput' (did you mean 'dropout'?): use hidden, "),
        ({"lr": log_uniform(1e-3, 1)}, "A recipe has no 'lr'"),
        ({"batch_norm": choice({True: {"positon": 1}})}, "A recipe has no 'positon'"),
        (
            {"optimizer": choice({"Momentum": {"momentun": 0.9}})},
            "Momentum at optimizer has no 'momentun' (did you mean 'momentum'?): it takes lr, momentum, "
            "and a recipe's own fields.",
        ),
        ({"optimizer": "adam"}, "optimizer has the unknown option 'adam' (did you mean 'Adam'?)."),
        ({"batch_norm": choice("BachNorm")}, "unknown option 'BachNorm' (did you mean 'BatchNorm'?)."),
        ({"hidden": (8,), "width": 8}, "either hidden, or width and depth, not both"),
        (
            {"weight_decay": 0.1, "optimizer": choice({"Adam": {"weight_decay": 0.2}})},
            "weight_decay stands twice in one recipe, once at optimizer",
        ),
        ({"optimizer": "Cosine"}, "Recipe(optimizer=…) must be an optimizer object"),
    ],
)
def test_wrong_names_are_told_where_and_what_is_near(tree, message):
    with pytest.raises(InputError) as error:
        recipe_space(Space(tree))
    assert message in str(error.value)
