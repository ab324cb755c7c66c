//! The signatures of the core's functions stand once, in `wit/cloud`. The host's and the SDK's tables are made of them here and
//! checked in, because the SDK must build without the tree around it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use skyloom_model::{PowerState, TaskState, VmState};
use wit_parser::{Function, Interface, Resolve, Type, TypeDefKind, UnresolvedPackageGroup};

const RENEW: &str = "SKYLOOM_RENEW";

/// First words of functions that leave nothing behind. What isn't known to only read waits for memory rather than be refused, so
/// a new word is on the safe side.
const READING: [&str; 8] = ["catalog", "console", "default", "get", "has", "list", "open", "validate"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Contract {
    resolve: Resolve,
    interfaces: Vec<(String, Interface)>,
}

impl Contract {
    fn read() -> Self {
        let mut resolve = Resolve::default();
        let mut push = |folder: &str| {
            let group = UnresolvedPackageGroup::parse_dir(root().join(folder)).expect(folder);
            resolve.push_group(group).expect(folder)
        };
        push("wit/types/0.1.0");
        let cloud = push("wit/cloud/0.1.0");
        let ids = resolve.packages[cloud].interfaces.clone();
        let interfaces = ids.into_iter().map(|(name, id)| (name, resolve.interfaces[id].clone()));
        Self { interfaces: interfaces.filter(|(_, interface)| !interface.functions.is_empty()).collect(), resolve }
    }

    /// `whose`: how a parameter is handed over.
    fn kind(&self, module: &str, kind: &Type, whose: Whose) -> String {
        let Type::Id(id) = kind else { return simple(kind, whose).to_owned() };
        let inner = |kind: &Type, whose: Whose| self.kind(module, kind, whose);
        let defined = &self.resolve.types[*id];
        match (&defined.name, &defined.kind) {
            (None, TypeDefKind::List(item)) if whose == Whose::Borrowed => format!("&[{}]", inner(item, Whose::Owned)),
            (None, TypeDefKind::List(item)) => format!("Vec<{}>", inner(item, Whose::Owned)),
            (None, TypeDefKind::Option(item)) => format!("Option<{}>", inner(item, whose)),
            // Another name of a text or number.
            (Some(_), TypeDefKind::Type(_)) if self.is_simple(kind) => inner(&self.named(kind), whose),
            (Some(name), _) if whose == Whose::Borrowed && self.allocates(kind) => {
                format!("&{module}::{}", pascal(name))
            }
            (Some(name), _) => format!("{module}::{}", pascal(name)),
            (None, other) => panic!("{module}: no signature has a {} yet", other.as_str()),
        }
    }

    /// What stands behind other names of it.
    fn named(&self, kind: &Type) -> Type {
        match kind {
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::Type(other) => self.named(other),
                _ => *kind,
            },
            _ => *kind,
        }
    }

    fn is_simple(&self, kind: &Type) -> bool {
        !matches!(self.named(kind), Type::Id(_))
    }

    /// Whether a value has text or a list somewhere; the others are handed over as they are.
    fn allocates(&self, kind: &Type) -> bool {
        let Type::Id(id) = kind else { return *kind == Type::String };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Record(record) => record.fields.iter().any(|field| self.allocates(&field.ty)),
            TypeDefKind::Variant(variant) => {
                variant.cases.iter().any(|case| case.ty.as_ref().is_some_and(|kind| self.allocates(kind)))
            }
            TypeDefKind::Option(kind) | TypeDefKind::Type(kind) => self.allocates(kind),
            TypeDefKind::List(_) => true,
            _ => false,
        }
    }

    fn signature(&self, module: &str, function: &Function, whose: Whose) -> String {
        let args = function
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name.replace('-', "_"), self.kind(module, &param.ty, whose)));
        let args = args.collect::<Vec<_>>().join(", ");
        let Some(Type::Id(answer)) = function.result else { panic!("{}: no result", function.name) };
        let TypeDefKind::Result(answer) = &self.resolve.types[answer].kind else {
            panic!("{}: no result", function.name)
        };
        let answer = answer.ok.map_or("()".to_owned(), |kind| self.answer(module, &kind));
        format!("fn {}({args}) -> {answer};", function.name.replace('-', "_"))
    }

    /// The type `packed-page` is a `page` that crosses packed: both sides' callers have the page itself.
    fn answer(&self, module: &str, kind: &Type) -> String {
        let name = match kind {
            Type::Id(id) => self.resolve.types[*id].name.as_deref(),
            _ => None,
        };
        match name.and_then(|name| name.strip_prefix("packed-")) {
            Some(name) => format!("{module}::{} as packed", pascal(name)),
            None => self.kind(module, kind, Whose::Owned),
        }
    }

    fn table(&self, head: impl Fn(&str) -> String, of_host: bool, whose: Whose) -> String {
        let mut table = String::from(
            "//! The functions of `wit/cloud`. Generated, with a test that says how to renew it: host/runtime/tests/signatures.rs.\n\n\
             /// Hands all of them to the macro `$to`.\n",
        );
        table.push_str(if of_host { "#[macro_export]\n" } else { "" });
        table.push_str("macro_rules! cloud_functions {\n    ($to:ident) => {\n        $to! {\n");
        for (module, interface) in &self.interfaces {
            writeln!(table, "            /// `skyloom:cloud/{module}`.\n            trait {} {{", head(module))
                .unwrap();
            for function in interface.functions.values() {
                let effect = match of_host {
                    true if reads(function) => "Reads ",
                    true => "Changes ",
                    false => "",
                };
                writeln!(table, "                {effect}{}", self.signature(module, function, whose)).unwrap();
            }
            table.push_str("            }\n");
        }
        table.push_str("        }\n    };\n}\n");
        table.push_str(if of_host { "" } else { "\npub(crate) use cloud_functions;\n" });
        table
    }
}

impl Contract {
    /// The words of an enumeration of `wit/cloud/compute`.
    fn words(&self, kind: &str) -> Vec<String> {
        let (_, compute) = self.interfaces.iter().find(|(name, _)| name == "compute").expect("compute");
        let TypeDefKind::Enum(words) = &self.resolve.types[compute.types[kind]].kind else { panic!("{kind}") };
        words.cases.iter().map(|case| case.name.clone()).collect()
    }

    /// The SDK's module of states.
    fn states(&self) -> String {
        let mut text = String::from(STATES);
        text.push_str("words! {\n");
        for kind in ["vm-state", "task-state", "power-state"] {
            let word = kind.replace('-', "_");
            writeln!(text, "    {} {}S {word} {{", pascal(kind), word.to_uppercase()).unwrap();
            for word in self.words(kind) {
                writeln!(text, "        {} \"{word}\",", pascal(&word)).unwrap();
            }
            text.push_str("    }\n");
        }
        text.push_str("}\n");
        text
    }
}

const STATES: &str = r"//! The core's words of a server's states, as conditions name them. Generated, with a test that says how to renew it:
//! host/runtime/tests/signatures.rs.

use crate::cloud::compute::{PowerState, TaskState, VmState};

macro_rules! words {
    ($($kind:ident $all:ident $word:ident { $($state:ident $text:literal,)+ })+) => {
        $(
            /// All of them.
            pub const $all: [$kind; [$($text),+].len()] = [$($kind::$state),+];

            #[must_use]
            pub fn $word(state: $kind) -> &'static str {
                match state { $($kind::$state => $text,)+ }
            }
        )+
    };
}

";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Owned,
    Borrowed,
}

fn simple(kind: &Type, whose: Whose) -> &'static str {
    match (kind, whose) {
        (Type::String, Whose::Borrowed) => "&str",
        (Type::String, Whose::Owned) => "String",
        (Type::Bool, _) => "bool",
        (Type::U32, _) => "u32",
        (Type::U64, _) => "u64",
        (Type::S64, _) => "i64",
        (other, _) => panic!("no signature has {other:?} yet"),
    }
}

fn reads(function: &Function) -> bool {
    READING.contains(&function.name.split('-').next().unwrap_or_default())
}

fn pascal(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[test]
fn the_tables_of_the_host_and_of_the_sdk_are_those_of_the_contract() {
    let contract = Contract::read();
    let host = |module: &str| format!("{0}Api in {module} needs {0}", pascal(module));
    let sdk = |module: &str| format!("{} in {module}", pascal(module));
    for (file, made) in [
        ("host/runtime/src/functions.rs", contract.table(host, true, Whose::Owned)),
        ("plugins/sdk/src/functions.rs", contract.table(sdk, false, Whose::Borrowed)),
        ("plugins/sdk/src/states.rs", contract.states()),
    ] {
        let path = root().join(file);
        if std::env::var_os(RENEW).is_some() {
            std::fs::write(&path, &made).expect(file);
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{file} isn't what wit/cloud says; {RENEW}=1 with this test writes it anew");
    }
}

#[test]
fn the_store_holds_the_contracts_words_of_states() {
    let contract = Contract::read();
    let words = |states: Vec<&'static str>| states.into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(VmState::ALL.iter().map(|state| state.as_str()).collect()), contract.words("vm-state"));
    assert_eq!(words(TaskState::ALL.iter().map(|state| state.as_str()).collect()), contract.words("task-state"));
    assert_eq!(words(PowerState::ALL.iter().map(|state| state.as_str()).collect()), contract.words("power-state"));
}
