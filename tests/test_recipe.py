"""Recipes: JSON round trip, the sentence, the program's form, and what is refused."""

from __future__ import annotations

import json

import jax
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques.activations import ACTIVATIONS
from goodfit.techniques.foreign import Optax
from goodfit.techniques.initializers import Gaussian, Glorot, He, LeCun, Xavier
from goodfit.techniques.normalization import BatchNorm, LayerNorm
from goodfit.techniques.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from goodfit.techniques.regularization import Dropout
from goodfit.techniques.schedules import Constant, Cosine, OneCycle, StepDecay, WarmUp

positive = st.floats(1e-6, 10.0)
share = st.one_of(st.just(0.0), st.floats(1e-6, 0.95))
position = st.sampled_from(["before", "after"])
optimizers = st.one_of(
    st.builds(SGD, lr=positive),
    st.builds(Momentum, lr=positive, momentum=share),
    st.builds(Nesterov, lr=positive, momentum=share),
    st.builds(AdaGrad, lr=positive),
    st.builds(RMSProp, lr=positive, decay=share),
    st.builds(Adam, lr=positive, beta1=share, beta2=share, paper=st.booleans()),
    st.builds(AdamW, lr=positive, beta1=share, beta2=share, weight_decay=share),
)
plain_schedules = st.one_of(
    st.just(Constant()),
    st.builds(StepDecay, every=st.floats(0.1, 1), rate=st.floats(0.1, 1)),
    st.builds(Cosine, floor=share),
    st.builds(OneCycle, peak=st.floats(0.1, 0.9), start=share, end=share),
)
norms = st.one_of(
    st.just({}),
    st.just({"batch_norm": True}),
    st.just({"layer_norm": True}),
    st.builds(BatchNorm, position=position, momentum=share, bias_correction=st.booleans()).map(
        lambda norm: {"batch_norm": norm}
    ),
    st.builds(LayerNorm, position=position, epsilon=positive).map(lambda norm: {"layer_norm": norm}),
)
recipes = st.builds(
    lambda norm, **fields: Recipe(**fields, **norm),
    norms,
    hidden=st.lists(st.integers(1, 64), max_size=4).map(tuple),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    optimizer=optimizers,
    init=st.one_of(
        st.sampled_from(["auto", Xavier(), Glorot(), He(), LeCun()]), st.builds(Gaussian, sigma=positive)
    ),
    dropout=st.one_of(
        st.just(0.0),
        share,
        st.builds(Dropout, ratio=share, scaling=st.sampled_from(["inverted", "book", "slip"])),
    ),
    weight_decay=share,
    schedule=st.one_of(st.none(), plain_schedules, st.builds(WarmUp, share=share, then=plain_schedules)),
    batch_size=st.integers(1, 512),
    label_smoothing=share,
    clip_norm=st.one_of(st.none(), positive),
)


@given(recipes)
def test_json_round_trip(recipe):
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert again.text() == recipe.text()
    assert jax.tree.structure(again.for_program()) == jax.tree.structure(recipe.for_program())


@given(recipes)
def test_the_programs_form_has_float32_leaves_and_is_its_own_fixed_point(recipe):
    bare = recipe.for_program()
    assert all(type(leaf) is np.float32 for leaf in jax.tree.leaves(bare))
    assert jax.tree.structure(bare.for_program()) == jax.tree.structure(bare)
    assert type(bare.norm) is type(recipe.norm)
    assert (bare.drop is None) == (recipe.drop is None)


@given(recipes, optimizers)
def test_values_never_change_the_structure(recipe, optimizer):
    """Two recipes with other numbers and equal kinds make one program; other kinds make another."""
    halved = jax.tree.map(lambda v: v * 0.5 if isinstance(v, float) else v, recipe)
    assert jax.tree.structure(halved.for_program()) == jax.tree.structure(recipe.for_program())
    fields = {name: getattr(recipe, name) for name in recipe.__dataclass_fields__}
    other = Recipe(**{**fields, "optimizer": optimizer})
    kinds = [(type(r.optimizer), getattr(r.optimizer, "paper", None)) for r in (recipe, other)]
    same = jax.tree.structure(other.for_program()) == jax.tree.structure(recipe.for_program())
    assert same == (kinds[0] == kinds[1])


def test_numpy_numbers_become_plain_json():
    recipe = Recipe(
        optimizer=Adam(lr=np.float32(0.1)), weight_decay=np.float32(0.25), dropout=np.float64(0.5)
    )
    record = json.loads(json.dumps(recipe.to_json()))
    assert record["weight_decay"] == 0.25
    assert Recipe.from_json(record).optimizer == Adam(lr=float(np.float32(0.1)))


TEXTS = {
    Recipe(): "100 relu, Adam (lr 0.001, beta1 0.9, beta2 0.999), batch 128, He initial weights",
    Recipe((), optimizer=SGD(), init=Gaussian(0.5)): (
        "no hidden layer relu, SGD (lr 0.01), batch 128, Gaussian (sigma 0.5) initial weights"
    ),
    Recipe((100, 100), optimizer=Momentum(lr=0.05), batch_norm=True, dropout=0.2, weight_decay=1e-4): (
        "100x100 relu, Momentum (lr 0.05, momentum 0.9), batch 128, He initial weights, "
        "batch norm before the activation, dropout 0.2, weight decay 0.0001"
    ),
    Recipe(
        (8,),
        "tanh",
        layer_norm=LayerNorm("after"),
        dropout=Dropout(0.3, "book"),
        schedule=Cosine(),
        label_smoothing=0.1,
        clip_norm=1.0,
    ): (
        "8 tanh, Adam (lr 0.001, beta1 0.9, beta2 0.999), batch 128, Cosine (floor 0) schedule, "
        "Xavier initial weights, layer norm after the activation, dropout 0.3 (book scaling), "
        "label smoothing 0.1, gradients clipped at 1"
    ),
}


@pytest.mark.parametrize(("recipe", "text"), TEXTS.items(), ids=range(len(TEXTS)))
def test_text(recipe, text):
    assert recipe.text() == text


def test_an_optax_object_is_recorded_by_name_and_asked_for_again():
    tx = optax.inject_hyperparams(optax.lion)(0.0)
    recipe = Recipe(optimizer=Optax("lion", tx, values={"learning_rate": 1e-3}))
    record = json.loads(json.dumps(recipe.to_json()))
    with pytest.raises(InputError, match=r"optax object 'lion', which a file cannot hold"):
        Recipe.from_json(record)
    assert Recipe.from_json(record, optimizer=recipe.optimizer) == recipe


REFUSED = [
    ({"hidden": (100, 0)}, r"Recipe\(hidden=…\) must be a tuple of whole widths .* got \(100, 0\)"),
    ({"hidden": (1.5,)}, r"Recipe\(hidden=…\) must be"),
    ({"hidden": 100}, r"Recipe\(hidden=…\) must be"),
    ({"activation": "relo"}, r"activation must be one of .*did you mean 'relu'\?.* got 'relo'"),
    ({"batch_size": 0}, r"Recipe\(batch_size=…\) must be a whole number >= 1, got 0"),
    ({"init": "he"}, "init must be 'auto' or an initializer"),
    ({"optimizer": "adam"}, r"Recipe\(optimizer=…\) must be an optimizer object .* got 'adam'"),
    ({"optimizer": Adam}, r"Recipe\(optimizer=…\) must be an optimizer object"),
    ({"optimizer": None}, r"Recipe\(optimizer=…\) must be an optimizer object .* got None"),
    ({"optimizer": optax.sgd(0.1)}, r"Recipe\(optimizer=…\) must be an optimizer object"),
    ({"schedule": "cosine"}, r"Recipe\(schedule=…\) must be .* got 'cosine'"),
    ({"batch_norm": True, "layer_norm": True}, "batch_norm or layer_norm, not both"),
    ({"dropout": 1.0}, r"Recipe\(dropout=…\) must be a number >= 0 and < 1, got 1.0"),
    ({"dropout": "half"}, r"Recipe\(dropout=…\) must be .* got 'half'"),
    ({"weight_decay": -1.0}, r"Recipe\(weight_decay=…\) must be a number >= 0, got -1.0"),
    ({"label_smoothing": 1.0}, r"Recipe\(label_smoothing=…\) must be a number >= 0 and < 1, got 1.0"),
    ({"clip_norm": 0.0}, r"Recipe\(clip_norm=…\) must be a number > 0, got 0.0"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Recipe(**fields)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"hiden": [8]}, r"no field 'hiden' \(did you mean 'hidden'\?\)"),
        ({"optimizer": {"name": "Adamm"}}, r"Unknown technique 'Adamm' \(did you mean 'Adam'\?\)"),
        ({"optimizer": {"name": "Adam", "rate": 1}}, "Adam cannot be made from"),
    ],
)
def test_foreign_records_are_refused(record, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_json(record)
