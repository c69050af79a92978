"""What a snapshot may name: exactly the globals that the catalog's models and River's drift detectors are made of.

A test builds, trains and pickles every model of the catalog and fails if it needs less or more than this.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import FunctionType

GLOBALS: frozenset[tuple[str, str]] = frozenset({
    ("builtins", "dict"),
    ("builtins", "float"),
    ("builtins", "int"),
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "deque"),
    ("copy", "deepcopy"),
    ("functools", "partial"),
    ("learners.encoders", "CategoryCodes"),
    ("learners.encoders", "ScaledOneHot"),
    ("learners.mixed_nb", "MixedNB"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "scalar"),
    ("random", "Random"),
    ("river._river_rust.drift", "AdaptiveWindowing"),
    ("river._river_rust.stats", "RsEWMean"),
    ("river._river_rust.vectordict", "VectorDict"),
    ("river.compose.pipeline", "Pipeline"),
    ("river.drift.adwin", "ADWIN"),
    ("river.drift.binary.ddm", "DDM"),
    ("river.drift.binary.eddm", "EDDM"),
    ("river.drift.binary.fhddm", "FHDDM"),
    ("river.drift.binary.hddm_a", "HDDMA"),
    ("river.drift.binary.hddm_w", "HDDMW"),
    ("river.drift.binary.hddm_w", "SampleInfo"),
    ("river.drift.kswin", "KSWIN"),
    ("river.drift.page_hinkley", "PageHinkley"),
    ("river.forest.adaptive_random_forest", "ARFClassifier"),
    ("river.forest.adaptive_random_forest", "ARFRegressor"),
    ("river.forest.adaptive_random_forest", "BaseTreeClassifier"),
    ("river.forest.adaptive_random_forest", "BaseTreeRegressor"),
    ("river.linear_model.lin_reg", "LinearRegression"),
    ("river.linear_model.log_reg", "LogisticRegression"),
    ("river.linear_model.pa", "PAClassifier"),
    ("river.linear_model.pa", "PARegressor"),
    ("river.linear_model.softmax", "SoftmaxRegression"),
    ("river.metrics.accuracy", "Accuracy"),
    ("river.metrics.confusion", "ConfusionMatrix"),
    ("river.metrics.mse", "MSE"),
    ("river.multiclass.ovr", "OneVsRestClassifier"),
    ("river.naive_bayes.gaussian", "GaussianNB"),
    ("river.naive_bayes.gaussian", "GaussianNB._make_gaussian"),
    ("river.optim.initializers", "Zeros"),
    ("river.optim.losses", "CrossEntropy"),
    ("river.optim.losses", "EpsilonInsensitiveHinge"),
    ("river.optim.losses", "Hinge"),
    ("river.optim.losses", "Log"),
    ("river.optim.losses", "Squared"),
    ("river.optim.schedulers", "Constant"),
    ("river.optim.sgd", "SGD"),
    ("river.preprocessing.scale", "StandardScaler"),
    ("river.preprocessing.scale_target", "TargetStandardScaler"),
    ("river.stats.ewmean", "EWMean"),
    ("river.stats.mean", "Mean"),
    ("river.tree.hoeffding_adaptive_tree_classifier", "HoeffdingAdaptiveTreeClassifier"),
    ("river.tree.hoeffding_adaptive_tree_regressor", "HoeffdingAdaptiveTreeRegressor"),
    ("river.tree.hoeffding_tree_classifier", "HoeffdingTreeClassifier"),
    ("river.tree.hoeffding_tree_regressor", "HoeffdingTreeRegressor"),
    ("river.tree.nodes.arf_htc_nodes", "RandomLeafMajorityClass"),
    ("river.tree.nodes.arf_htc_nodes", "RandomLeafNaiveBayes"),
    ("river.tree.nodes.arf_htc_nodes", "RandomLeafNaiveBayesAdaptive"),
    ("river.tree.nodes.arf_htr_nodes", "RandomLeafAdaptive"),
    ("river.tree.nodes.arf_htr_nodes", "RandomLeafMean"),
    ("river.tree.nodes.arf_htr_nodes", "RandomLeafModel"),
    ("river.tree.nodes.branch", "NominalBinaryBranch"),
    ("river.tree.nodes.branch", "NominalMultiwayBranch"),
    ("river.tree.nodes.branch", "NumericBinaryBranch"),
    ("river.tree.nodes.hatc_nodes", "AdaLeafClassifier"),
    ("river.tree.nodes.hatc_nodes", "AdaNomBinaryBranchClass"),
    ("river.tree.nodes.hatc_nodes", "AdaNomMultiwayBranchClass"),
    ("river.tree.nodes.hatc_nodes", "AdaNumBinaryBranchClass"),
    ("river.tree.nodes.hatr_nodes", "AdaLeafRegAdaptive"),
    ("river.tree.nodes.hatr_nodes", "AdaLeafRegMean"),
    ("river.tree.nodes.hatr_nodes", "AdaLeafRegModel"),
    ("river.tree.nodes.hatr_nodes", "AdaNomBinaryBranchReg"),
    ("river.tree.nodes.hatr_nodes", "AdaNomMultiwayBranchReg"),
    ("river.tree.nodes.hatr_nodes", "AdaNumBinaryBranchReg"),
    ("river.tree.nodes.htc_nodes", "LeafMajorityClass"),
    ("river.tree.nodes.htc_nodes", "LeafNaiveBayes"),
    ("river.tree.nodes.htc_nodes", "LeafNaiveBayesAdaptive"),
    ("river.tree.nodes.htr_nodes", "LeafAdaptive"),
    ("river.tree.nodes.htr_nodes", "LeafMean"),
    ("river.tree.nodes.htr_nodes", "LeafModel"),
    ("river.tree.splitter.ebst_splitter", "EBSTNode"),
    ("river.tree.splitter.ebst_splitter", "EBSTNode._update_estimator_univariate"),
    ("river.tree.splitter.nominal_splitter_classif", "NominalSplitterClassif"),
    ("river.tree.splitter.nominal_splitter_reg", "NominalSplitterReg"),
    ("river.tree.splitter.nominal_splitter_reg", "NominalSplitterReg._update_estimator_univariate"),
    ("river.tree.splitter.tebst_splitter", "TEBSTSplitter"),
    ("statistics", "NormalDist"),
})  # fmt: skip

METHODS: frozenset[tuple[str, str, str]] = frozenset({
    # Bound methods that River keeps as attributes: (module, class that defines it, name).
    ("river.drift.page_hinkley", "PageHinkley", "_test_increase"),
    ("river.drift.page_hinkley", "PageHinkley", "_test_decrease"),
    ("river.drift.page_hinkley", "PageHinkley", "_test_both"),
    ("river.linear_model.pa", "BasePA", "_calc_tau_0"),
    ("river.linear_model.pa", "BasePA", "_calc_tau_1"),
    ("river.linear_model.pa", "BasePA", "_calc_tau_2"),
    ("river.preprocessing.scale_target", "TargetStandardScaler", "_scale"),
    ("river.preprocessing.scale_target", "TargetStandardScaler", "_unscale"),
})  # fmt: skip

_NOT_MODELS = ("river.datasets", "river.stream", "river.api", "river.checks", "river.evaluate")
"""Parts of River that open files or the network when built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowlist:
    """What may be loaded besides `GLOBALS`, for models that are the user's own.

    >>> Allowlist().lists("river.stats.mean", "Mean"), Allowlist().lists("builtins", "eval")
    (True, False)
    """

    modules: tuple[str, ...] = ()
    """Modules whose own classes and functions are allowed: exact names, nothing below them.

    Naming any also allows every class of River's that is not in the catalog, as a factory builds from those.
    """

    def lists(self, module: str, name: str) -> bool:
        """Whether this exact global is on the list."""
        return (module, name) in GLOBALS

    def admits(self, module: str, found: object) -> bool:
        """Whether what was found in the module was defined there and may be loaded from it."""
        if not self.modules or getattr(found, "__module__", None) != module:
            return False
        if module in self.modules:
            return isinstance(found, type | FunctionType)
        river = module.startswith("river.") and not module.startswith(_NOT_MODELS)
        return river and isinstance(found, type)
