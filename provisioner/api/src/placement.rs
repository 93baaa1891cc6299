//! What an instance asks of its machine beside the pool: labels, minimum, spread. Types only; what fits what is decided
//! by the lifecycle.

use serde::{Deserialize, Serialize};

/// One requirement on labels, as in Kubernetes' `LabelSelector.matchExpressions`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LabelExpression {
    /// The label's key.
    pub key: String,
    /// How `values` are meant.
    pub operator: LabelOperator,
    /// At least one with `In` and `NotIn`, none with the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// The operators of Kubernetes' `LabelSelectorRequirement`, in its spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there, whatever its value.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// The least that a machine must have, as its inventory tells it. What is absent is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Minimum {
    /// Physical cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<u32>,
    /// Installed memory, bytes. A kernel sees some of it less, which is allowed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of the largest disk that can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// GPUs and other accelerators; the graphics of a BMC is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
    /// Network interfaces; with `nic_speed_mbps` only those that are as fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nics: Option<u32>,
    /// Mbit/s of that many network interfaces, of one when `nics` is absent. A speed is known only of those with a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic_speed_mbps: Option<u32>,
}

impl Minimum {
    /// Whether nothing is asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Instances of one group get machines as far from each other as there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// The group, a DNS label: all instances that name it are spread together.
    pub group: String,
    /// Over what; over racks when absent.
    #[serde(default)]
    pub by: SpreadBy,
}

/// Over what a group is spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SpreadBy {
    /// Over zones, and within a zone over racks.
    #[default]
    Rack,
    /// Over zones alone.
    Zone,
}

/// `PATCH /v1/instances/{instance}`: only what is given changes. `If-Match` is heeded where it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstanceUpdate {
    /// Whether it is refused to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<bool>,
    /// By when it has to have a machine; `null`: it may wait for ever.
    #[serde(default, deserialize_with = "crate::machine::given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<jiff::Timestamp>))]
    pub deadline: Option<Option<jiff::Timestamp>>,
}

impl std::fmt::Display for LabelExpression {
    /// As `kubectl -l` takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, operator, values } = self;
        match (operator, &values[..]) {
            (LabelOperator::In, [one]) => write!(f, "{key}={one}"),
            (LabelOperator::NotIn, [one]) => write!(f, "{key}!={one}"),
            (LabelOperator::In, _) => write!(f, "{key} in ({})", values.join(",")),
            (LabelOperator::NotIn, _) => write!(f, "{key} notin ({})", values.join(",")),
            (LabelOperator::Exists, _) => f.write_str(key),
            (LabelOperator::DoesNotExist, _) => write!(f, "!{key}"),
        }
    }
}
