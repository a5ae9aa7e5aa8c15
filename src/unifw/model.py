"""What users hold: a net, live on one backend, with how to train and measure it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

import unifw
from unifw import checkpoint, registry
from unifw.backend import Epoch, Options, Plan, Session
from unifw.callbacks import Callback, check_callbacks
from unifw.data import Data, check_inputs, check_training, class_weighted, split
from unifw.errors import DataError, SpecError
from unifw.isolate.place import open_session
from unifw.judging import (
    check_comparable,
    check_metrics,
    last_layer,
    loss_weights_of,
    losses_of,
    metrics_of,
)
from unifw.measures.losses import per_sample
from unifw.measures.metrics import meter
from unifw.measures.penalties import penalty
from unifw.progress import display
from unifw.spec import check, layers
from unifw.spec.graph import Graph
from unifw.spec.optimizers import optimizer as optimizer_of
from unifw.spec.schedules import Plateau
from unifw.weights import (
    FIRST_SCALE,
    LOSS_SCALE,
    Arrays,
    check_state,
    check_weights,
    initial,
)

if TYPE_CHECKING:
    from unifw.export import ExportReport, Training, Verified

__all__ = ["Model", "load"]

Array = npt.NDArray[Any]
History = dict[str, list[float]]


class Model:
    """A net, live on a backend.

    Parameters
    ----------
    net : Graph
        The description: ``uf.Sequential`` or ``uf.Graph``.
    backend : str
        ``"numpy"`` (default), ``"paddle"``, ``"mindspore"``, ``"megengine"`` or a plugin's name.
    loss : str, Loss, or one for each output, optional
        ``"cross_entropy"``, ``"mse"``, ``"ctc"`` … (any of ``unifw.losses``, in small letters; the focal
        loss of classes is ``"focal"``) or an instance; a list by output or a dict by output name for
        several outputs (the losses add up, see ``loss_weights``). A model without one only predicts.
    loss_weights : sequence of float, or dict by output name, optional
        What each output's loss counts in the sum that is trained and reported; default 1 each.
    optimizer : str or Optimizer
        ``"sgd"``, ``"adam"`` (default), ``"adamw"`` … (``unifw.optimizers``, in small letters) or an
        instance.
    metrics : sequence of str or Metric, or dict by output name
        What to measure besides the loss; a sequence applies to every output.
    seed : int
        Fixes initial weights, shuffles, dropout masks and noise, the same on every backend; default 0.
    device : str
        As the framework spells it, for example ``"gpu:0"``; default ``"cpu"``.
    dtype : {"float32", "float64"}
        Of weights, state and computation; default ``"float32"``. Float64 on NumPy and Paddle.
    precision : {"full", "mixed"}
        ``"mixed"`` trains with the products of dense layers and convolutions in float16 and a scaled
        loss, where the backend can; default ``"full"``.
    parity : bool
        Whether dropout and noise are the same on every backend (default ``True``), or drawn by the
        quickest seeded generator that this one has.
    weights : mapping of str to array, optional
        To start from instead of fresh ones.
    isolate : {"auto", True, False}
        Whether the framework runs in a process of its own. ``"auto"`` (default) stays in this one
        where that is safe, and takes another when the framework cannot be imported here but has an
        environment (``unifw env create``), or would clash with one that is loaded;
        ``model.session.where`` tells what was chosen.
    python : path, optional
        The interpreter of that process, or the folder of its environment; unifw must be installed
        there in this very version.
    **settings
        What only this backend is told, such as ``jit`` of MindSpore and ``cluster`` of Alink;
        ``docs/backends.md`` names them. They stay behind when the model moves or is saved.

    Raises
    ------
    SpecError
        If an option is wrong, or the loss does not go with the net.
    NotInstalled, VersionUnsupported, Clash, DeviceUnavailable, Unsupported
        If the backend cannot be used, or cannot run this net.
    WorkerDied, WorkerTimeout, VersionMismatch
        If a process of its own does not start.
    """

    def __init__(  # noqa: PLR0913 - each with a meaning of its own
        self,
        net: Graph,
        backend: str = "numpy",
        *,
        loss: Any = None,
        loss_weights: Any = None,
        optimizer: Any = "adam",
        metrics: Any = (),
        seed: int = 0,
        device: str = "cpu",
        dtype: str = "float32",
        precision: str = "full",
        parity: bool = True,
        weights: Mapping[str, npt.ArrayLike] | None = None,
        isolate: bool | str = "auto",
        python: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(net, Graph):
            message = f"net must be a uf.Sequential or uf.Graph, got {net!r}"
            raise SpecError(message)
        self._net = net
        self._backend = registry.backend(backend)
        told = self._backend.told(settings, _words(Model))
        losses = losses_of(net, loss)
        self._metrics = metrics_of(net, metrics)
        check_metrics(net, losses, self._metrics)
        self._options = Options(
            losses=losses,
            optimizer=optimizer_of(optimizer),
            device=_text("device", device),
            dtype=check.choice("dtype", dtype, ("float32", "float64")),
            precision=check.choice("precision", precision, ("full", "mixed")),
            seed=check.count("seed", seed, least=0),
            parity=check.flag("parity", parity),
            loss_weights=loss_weights_of(net, losses, loss_weights),
            settings=told,
        )
        self._options.optimizer.places([n for n, part in net.parts.items() if part.trainable])
        first = initial(net, seed) if weights is None else check_weights(net, weights)
        self._session = open_session(
            self._backend, net, self._options, first, isolate=isolate, python=python
        )
        self._history: History = {}
        self._epoch = 0
        self._plateau = Plateau()
        self._is_averaged = False

    # -------------------------------------------------------------- what it is

    @property
    def net(self) -> Graph:
        """The description."""
        return self._net

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self._backend.name

    @property
    def device(self) -> str:
        """The device, as the framework spells it."""
        return self._options.device

    @property
    def session(self) -> Session:
        """The live session of the backend."""
        return self._session

    @property
    def history(self) -> History:
        """One list of numbers per epoch for ``"loss"``, each metric, and both with ``"val_"``.

        With several outputs each also has its own loss, ``"<output>_loss"``.
        """
        return self._history

    @property
    def epoch(self) -> int:
        """Epochs trained so far, on whatever backends."""
        return self._epoch

    @property
    def native(self) -> Any:
        """The framework's own object (``paddle.nn.Layer``, ``mindspore.nn.Cell`` …), live."""
        return self._session.native

    def __repr__(self) -> str:
        count = f"{self._net.parameter_count:,}"
        return (
            f"<Model {self._net.name!r} on {self.backend}, {count} parameters, epoch {self._epoch}>"
        )

    # -------------------------------------------------------------- training

    def fit(  # noqa: PLR0913 - the words of Keras, each with a meaning of its own
        self,
        x: Any,
        y: Any,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Sequence[Any] | None = None,
        validation_split: float | None = None,
        shuffle: bool = True,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: int = 1,
    ) -> History:
        """Train; called again, it continues where it stopped.

        Parameters
        ----------
        x, y : array, or a list or dict of arrays for several inputs or outputs
            Inputs and targets, one row per sample.
        epochs : int
            How many epochs to add; default 1.
        batch_size : int
            Default 32; the last batch of an epoch may be short.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Evaluated after each epoch into ``history["val_loss"]`` …
        validation_split : float, optional
            Share of the rows, taken from the end, to validate on instead.
        shuffle : bool
            Whether each epoch takes the rows in a new order, fixed by the seed; default ``True``.
        sample_weight : array of shape (n,), optional
            What each sample weighs in the loss.
        class_weight : dict of int to float, optional
            What each class weighs in the loss; multiplies ``sample_weight``.
        callbacks : sequence of Callback, optional
            What is called between epochs: see ``unifw.callbacks``.
        verbose : {0, 1, 2}
            0 shows nothing, 1 (default) a bar on a terminal, 2 a line per epoch anywhere.

        Returns
        -------
        dict of str to list of float
            ``model.history``, extended by one number per epoch.

        Raises
        ------
        DataError
            If the data do not fit the net or the loss; nothing has been trained then.
        SpecError
            If an option is wrong or goes with another: a batch smaller than the data with L-BFGS, a
            plateau of a number that will not be there, training within ``averaged()``.
        WorkerDied, WorkerTimeout, WorkerError
            If the model lives in a process of its own, and that fails. The model is as after its
            last whole epoch then; another call of ``fit`` goes on from there in a new process.
        """
        if self._is_averaged:
            message = "the model holds its averaged weights; train it after the block of averaged()"
            raise SpecError(message)
        data = self._training_data(x, y, sample_weight)
        if class_weight is not None:
            shape = self._net.out_shapes[0]
            weighted = class_weighted(data, class_weight, self._options.losses, shape)
            data = weighted.cast(self._options.dtype)
        data, held_out = self._held_out(data, validation_data, validation_split)
        plan = Plan(
            first=self._epoch,
            last=self._epoch + check.count("epochs", epochs, least=0),
            batch_size=check.count("batch_size", batch_size),
            shuffle=check.flag("shuffle", shuffle),
            metrics=tuple(zip(self._metrics, self._probabilities, strict=True)),
        )
        self._check_monitor(held_out is not None)
        called = check_callbacks(callbacks)
        for callback in called:
            callback.on_train_begin(self)
        with display(verbose) as shown:
            for epoch in self._session.fit(data, plan, shown.step):
                for callback in called:
                    callback.on_epoch_trained(self, epoch.number)
                logs = self._logs(epoch)
                if held_out is not None:
                    judged = self._evaluate(held_out, plan.batch_size)
                    logs |= {f"val_{name}": value for name, value in judged.items()}
                self._remember(logs)
                self._follow(logs)
                for callback in called:
                    callback.on_epoch_end(self, epoch.number, logs)
                shown.epoch(self._epoch, plan.last, logs)
        return self._history

    def _held_out(
        self, data: Data, validation_data: Sequence[Any] | None, validation_split: float | None
    ) -> tuple[Data, Data | None]:
        """Return what to train on, and what to validate on."""
        if validation_data is not None and validation_split is not None:
            message = "give validation_data or validation_split, not both"
            raise SpecError(message)
        if validation_split is not None:
            return split(data, check.number("validation_split", validation_split))
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                message = "validation_data must be (x, y) or (x, y, sample_weight)"
                raise DataError(message)
            return data, self._training_data(*validation_data)
        return data, None

    def _remember(self, logs: Mapping[str, float]) -> None:
        for name, value in logs.items():
            # A number that begins late (validation added in a second call) starts with blanks, so
            # that every list has one place per epoch.
            self._history.setdefault(name, [float("nan")] * self._epoch).append(value)
        self._epoch += 1
        for values in self._history.values():
            values.extend([float("nan")] * (self._epoch - len(values)))

    def _check_monitor(self, validated: bool) -> None:  # noqa: FBT001 - its only word
        """Refuse to begin if a schedule is to look at a number that training will not give."""
        schedule = self._options.optimizer.plateau
        names = ["loss", *self._parts, *self._keys]
        known = names + [f"val_{name}" for name in names] * validated
        if schedule is not None and schedule.monitor not in known:
            message = (
                f"{schedule!r} looks at {schedule.monitor!r}, but this training gives {known}; "
                "give validation_data, or name another as monitor"
            )
            raise SpecError(message)

    def _follow(self, logs: Mapping[str, float]) -> None:
        schedule = self._options.optimizer.plateau
        if schedule is not None:
            self._plateau = schedule.seen(self._plateau, logs[schedule.monitor])
            self._session.reductions = self._plateau.reductions

    def _logs(self, epoch: Epoch) -> dict[str, float]:
        values = (v for column in epoch.metrics for v in column)
        parts = dict(zip(self._parts, epoch.parts, strict=True))
        return {"loss": epoch.loss} | parts | dict(zip(self._keys, values, strict=True))

    # -------------------------------------------------------------- using

    def evaluate(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int = 256,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Return the loss and the metrics on data, ``"loss"`` first, computed in float64 by NumPy.

        The loss has the penalties of regularized weights in it, as in training. With several outputs,
        ``"<output>_loss"`` is that of one alone, neither weighted nor with penalties.

        Parameters
        ----------
        x, y, sample_weight
            As in ``fit``; the weights count in the loss, the metrics are unweighted.
        batch_size : int
            Default 256; does not change the result.
        """
        data = self._training_data(x, y, sample_weight)
        return self._evaluate(data, check.count("batch_size", batch_size))

    def _evaluate(self, data: Data, batch_size: int) -> dict[str, float]:
        columns = [
            [meter(m, probabilities=p) for m in column]
            for column, p in zip(self._metrics, self._probabilities, strict=True)
        ]
        options, start = self._options, 0
        sums = np.zeros(len(options.losses))
        for outs in self._session.predict(data.xs, batch_size):
            rows = slice(start, start + len(outs[0]))
            start = rows.stop
            batch = data.take(rows)
            weights = np.ones(len(batch)) if batch.weights is None else batch.weights
            judged = zip(columns, outs, batch.ys, options.losses, strict=True)
            for place, (column, out, y, rule) in enumerate(judged):
                sums[place] += per_sample(rule, out.astype(np.float64), y) @ weights
                for single in column:
                    single.update(out, y)
        whole = len(data) if data.weights is None else float(data.weights.sum())
        values = [single.result() for column in columns for single in column]
        means = sums / whole
        loss = float(means @ options.loss_weights)
        if self._net.regularizers:
            loss += penalty(self._net, self._session.weights())
        parts = dict(zip(self._parts, means.tolist(), strict=False))
        return {"loss": loss} | parts | dict(zip(self._keys, values, strict=True))

    def predict(self, x: Any, *, batch_size: int = 256) -> Any:
        """Return the outputs, in the order of the rows.

        Parameters
        ----------
        x : array, or a list or dict of arrays for several inputs
            Any number of rows.
        batch_size : int
            Default 256; does not change the result.

        Returns
        -------
        ndarray, or tuple of ndarray for several outputs
            Of shape ``(n, *out_shape)``, in the model's dtype.
        """
        xs = Data(check_inputs(self._net, x)).cast(self._options.dtype).xs
        size = check.count("batch_size", batch_size)
        columns = zip(*self._session.predict(xs, size), strict=True)
        outs = tuple(np.concatenate(column) for column in columns)
        return outs if len(outs) > 1 else outs[0]

    # -------------------------------------------------------------- moving

    @property
    def weights(self) -> Arrays:
        """A copy of all weights: ``layer.part → ndarray`` in the neutral layout."""
        return self._session.weights()

    @property
    def ema_weights(self) -> Arrays:
        """The running average of the weights, as the optimizer's ``ema`` says, in the neutral layout.

        It is unbiased: the state, which starts from zero, divided by ``1 - ema ** updates``. Before the
        first update it is the weights themselves; what is not trained (running statistics) is as now.

        Raises
        ------
        SpecError
            If the optimizer keeps none.
        """
        optimizer = self._options.optimizer
        if optimizer.ema is None:
            message = (
                f"{optimizer!r} keeps no average of the weights; give it ema, for example 0.999"
            )
            raise SpecError(message)
        weights, updates = self._session.weights(), self._session.steps // optimizer.accumulate
        if updates:
            state, share = self._session.state(), 1 - optimizer.ema**updates
            for name, weight in weights.items():
                if f"{name}/average" in state:
                    weight[...] = state[f"{name}/average"] / share
        return weights

    @contextmanager
    def averaged(self) -> Iterator[Self]:
        """Hold ``ema_weights`` within a block, to predict, evaluate or export with them.

        The weights come back at its end; within it the model can be neither trained nor saved.
        """
        self._refuse_if_averaged("averaged() within averaged()")
        kept = self._session.weights()
        self._session.load(self.ema_weights)
        self._is_averaged = True
        try:
            yield self
        finally:
            self._is_averaged = False
            self._session.load(kept)

    def _refuse_if_averaged(self, what: str) -> None:
        if self._is_averaged:
            message = (
                f"{what}: within averaged() the model holds other weights than it goes on with"
            )
            raise SpecError(message)

    def load_weights(self, weights: Mapping[str, npt.ArrayLike]) -> None:
        """Set all weights; optimizer state and position stay.

        Raises
        ------
        WeightsError
            If a name is missing or foreign, or a shape differs; nothing has changed then.
        """
        self._refuse_if_averaged("load_weights")
        self._session.load(check_weights(self._net, weights))

    def to(  # noqa: PLR0913 - where to, and what may change on the way
        self,
        backend: str,
        *,
        device: str = "cpu",
        dtype: str | None = None,
        precision: str | None = None,
        isolate: bool | str = "auto",
        python: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> Model:
        """Return the same model on another backend; it goes on as if nothing had happened.

        Weights, optimizer state, position in training and history travel; this model stays as it is.

        Parameters
        ----------
        backend, device, isolate, python, **settings
            As for ``Model``.
        dtype, precision : str, optional
            As for ``Model``; default what they are. Backends that lack them refuse, so a model in float64 or
            mixed precision names another on its way there.
        """
        stored = _retyped(self.checkpoint(), dtype, precision)
        return _restore(stored, backend, device, isolate, python, settings)

    def close(self) -> None:
        """Let go of the session, and of the process it may have; the model cannot be used then.

        Also done by ``with uf.Model(...) as model:`` at its end, and when the model is forgotten.
        """
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all there is to go on with, on any backend, into one safetensors file.

        The file at ``path`` is replaced only by a whole new one.
        """
        checkpoint.write(path, self.checkpoint())

    def check_export(self, format: str) -> None:  # noqa: A002 - the word that users know
        """Raise unless the net can be written in a format; ask before you train.

        Parameters
        ----------
        format : str
            ``"onnx"``, ``"mnn"`` … any of ``unifw.export.formats()``.

        Raises
        ------
        Unsupported
            If the format cannot hold a layer; names it and says why, and which formats can.
        """
        from unifw.export import check_export

        check_export(self._net, format)

    def export(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002 - the word that users know
        **options: Any,
    ) -> ExportReport:
        """Write the net for another runtime and check it there.

        Parameters
        ----------
        path : path
            Where to; its ending says the format: ``.onnx``, ``.mnn`` … (see ``docs/export.md``).
        format : str, optional
            Name of the format, whatever the ending.
        **options
            ``verify``, ``tolerance``, ``batch_sizes``, ``inputs``, ``opset``; ``quantize``, ``calibration``,
            ``evaluate``, ``max_drop``; ``normalize``, ``layout``, ``activation``, ``labels``; ``job``: see
            ``unifw.export.export``.

        Raises
        ------
        ExportMismatch
            If the file computes other numbers than the model; no file is left behind.
        """
        from unifw.export import export

        return export(
            self._net,
            self.weights,
            path,
            predict=self._session.forward,
            metadata=self._provenance(),
            format=format,
            training=self._training(),
            **options,
        )

    def _training(self) -> Training:
        from unifw.export import Training

        options = self._options
        return Training(options.losses, options.loss_weights, options.optimizer)

    def verify(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,  # noqa: A002 - the word that users know
        **options: Any,
    ) -> Verified:
        """Compare a file that was exported some time with this model, as ``export`` does it.

        Parameters
        ----------
        path, format
            As for ``export``.
        **options
            ``tolerance``, ``batch_sizes``, ``inputs``: see ``unifw.export.verify_file``.

        Raises
        ------
        ExportMismatch
            If the file computes other numbers than the model.
        """
        from unifw.export import verify_file

        return verify_file(
            path,
            self._net,
            self.weights,
            predict=self._session.forward,
            format=format,
            **options,
        )

    def _provenance(self) -> dict[str, str]:
        return {
            "unifw": unifw.__version__,
            "net": self._net.name,
            "backend": self.backend,
            "framework": self._session.framework,
            "device": self.device,
        }

    def checkpoint(self) -> checkpoint.Checkpoint:
        """Return all of the model but its session: what ``save`` writes and ``to`` carries over."""
        self._refuse_if_averaged("a checkpoint")
        return checkpoint.Checkpoint(
            graph=self._net,
            losses=self._options.losses,
            loss_weights=self._options.loss_weights,
            optimizer=self._options.optimizer,
            metrics=self._metrics,
            seed=self._options.seed,
            epoch=self._epoch,
            step=self._session.steps,
            plateau=self._plateau,
            dtype=self._options.dtype,
            precision=self._options.precision,
            parity=self._options.parity,
            weights=self._session.weights(),
            state=self._session.state(),
            history={name: list(values) for name, values in self._history.items()},
            provenance=self._provenance(),
        )

    # -------------------------------------------------------------- inside

    def _training_data(self, x: Any, y: Any, sample_weight: Any = None) -> Data:
        if not self._options.losses:
            message = "the model has no loss: give one, as in uf.Model(net, loss='cross_entropy')"
            raise SpecError(message)
        data = check_training(self._net, self._options.losses, x, y, sample_weight)
        check_comparable(self._net, self._metrics, data.ys)
        return data.cast(self._options.dtype)

    @property
    def _probabilities(self) -> tuple[bool, ...]:
        ends = (last_layer(self._net, name) for name in self._net.outputs)
        return tuple(type(end) in (layers.Softmax, layers.Sigmoid) for end in ends)

    @property
    def _parts(self) -> list[str]:
        """What the losses of several outputs are called; a single one is the loss."""
        outputs = self._net.outputs
        return [f"{name}_loss" for name in outputs] if len(outputs) > 1 else []

    @property
    def _keys(self) -> list[str]:
        several = len(self._net.outputs) > 1
        return [
            f"{name}_{m.key}" if several else m.key
            for name, column in zip(self._net.outputs, self._metrics, strict=True)
            for m in column
        ]


def load(  # noqa: PLR0913 - a file, and where it is to live
    path: str | os.PathLike[str],
    backend: str | None = None,
    *,
    device: str = "cpu",
    dtype: str | None = None,
    precision: str | None = None,
    isolate: bool | str = "auto",
    python: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Model:
    """Read a model that ``Model.save`` wrote.

    Parameters
    ----------
    path : path
        The file.
    backend : str, optional
        Where it shall live now; default the one it was saved on.
    device, isolate, python, **settings
        As for ``Model``.
    dtype, precision : str, optional
        As for ``Model``; default what it was saved in.

    Raises
    ------
    FileError
        If the file is missing, truncated, foreign or too new.
    NotInstalled, Unsupported …
        If the backend cannot be used.
    """
    stored = _retyped(checkpoint.read(path), dtype, precision)
    name = backend or stored.provenance.get("backend", "numpy")
    return _restore(stored, name, device, isolate, python, settings)


def _retyped(
    stored: checkpoint.Checkpoint, dtype: str | None, precision: str | None
) -> checkpoint.Checkpoint:
    """Return a checkpoint as it is in another dtype or precision; the loss's scale begins anew."""
    wanted = precision or stored.precision
    scale = {LOSS_SCALE: np.array(FIRST_SCALE)} if wanted == "mixed" else {}
    state = {name: value for name, value in stored.state.items() if name != LOSS_SCALE}
    if wanted == stored.precision:
        scale = {name: value for name, value in stored.state.items() if name == LOSS_SCALE}
    return replace(stored, dtype=dtype or stored.dtype, precision=wanted, state=state | scale)


def _restore(  # noqa: PLR0913 - handed on
    stored: checkpoint.Checkpoint,
    backend: str,
    device: str,
    isolate: bool | str,  # noqa: FBT001 - as above
    python: str | os.PathLike[str] | None,
    settings: Mapping[str, Any],
) -> Model:
    model = Model(
        stored.graph,
        backend,
        loss=stored.losses or None,
        loss_weights=stored.loss_weights or None,
        optimizer=stored.optimizer,
        metrics=dict(zip(stored.graph.outputs, stored.metrics, strict=True)),
        seed=stored.seed,
        device=device,
        dtype=stored.dtype,
        precision=stored.precision,
        parity=stored.parity,
        weights=stored.weights,
        isolate=isolate,
        python=python,
        **settings,
    )
    more = {LOSS_SCALE: (2,)} if stored.precision == "mixed" else {}
    state = check_state(stored.graph, stored.optimizer.kept, stored.state, more)
    model._session.load_state(state)  # noqa: SLF001 - a second constructor of the class
    model._session.steps = stored.step  # noqa: SLF001
    model._epoch = stored.epoch  # noqa: SLF001
    model._plateau = stored.plateau  # noqa: SLF001
    model._session.reductions = stored.plateau.reductions  # noqa: SLF001
    model._history = {k: list(v) for k, v in stored.history.items()}  # noqa: SLF001
    return model


def _words(kind: type) -> list[str]:
    """Return the words that a class takes by name."""
    found = inspect.signature(kind).parameters.values()
    return [word.name for word in found if word.kind is inspect.Parameter.KEYWORD_ONLY]


def _text(name: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    message = f"{name} must be a text such as 'cpu', got {value!r}"
    raise SpecError(message)
