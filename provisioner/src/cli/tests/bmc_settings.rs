//! `billet bmc` with a machine: media, Secure Boot, the firmware's setup, the boot order.

use super::{User, bmc::changes, fake::Fake};
use provisioner_api::{
    BmcBiosApplies, BmcBiosAttribute, BmcBiosChange, BmcBiosList, BmcBiosRule, BmcBiosValue, BmcBootOption,
    BmcBootOrder, BmcMediaKind, BmcMediaList, BmcMediaSlot, BmcSecureBoot,
};

fn slot(id: &str, kinds: &[BmcMediaKind], image: Option<&str>) -> BmcMediaSlot {
    BmcMediaSlot {
        id: id.to_owned(),
        kinds: kinds.to_vec(),
        image: image.map(str::to_owned),
        inserted: image.is_some(),
        write_protected: image.map(|_| true),
    }
}

#[tokio::test]
async fn media_are_listed_put_in_and_taken_out() {
    let fake = Fake::start().await;
    let cd = slot("Cd", &[BmcMediaKind::Cd, BmcMediaKind::Dvd], Some("https://h/a.iso\x1b"));
    let items = vec![cd.clone(), slot("RemovableDisk", &[BmcMediaKind::Usb], None)];
    fake.says("GET /v1/machines/m1/bmc/media", 200, &BmcMediaList { items });
    fake.says("POST /v1/machines/m1/bmc/media", 200, &cd);
    fake.says("DELETE /v1/machines/m1/bmc/media", 204, &());
    fake.says("DELETE /v1/machines/m1/bmc/media/Cd", 204, &());
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc media list m1").await.out,
        "\
SLOT           CAN BE   INSERTED  WRITABLE  IMAGE
Cd             cd, dvd  yes       no        https://h/a.iso\u{fffd}
RemovableDisk  usb      no        -         -
"
    );
    let ran = user.run("bmc media insert https://h/a.iso m1").await;
    assert_eq!(ran.out, "machine m1: https://h/a.iso is in slot Cd\n", "{ran:?}");
    let ran = user.run("bmc media insert nfs://h/e/a.img m1 --kind usb --slot RemovableDisk -o name").await;
    assert_eq!(ran.out, "Cd\n", "{ran:?}");
    assert_eq!(user.run("bmc media eject m1").await.out, "machine m1: all slots are empty\n");
    assert_eq!(user.run("bmc media eject m1 --slot Cd").await.out, "machine m1: slot Cd is empty\n");
    let ran = user.run("bmc media insert https://me:hunter2@h/a.iso m1").await;
    assert!(ran.code == 2 && ran.err.contains("a password does not belong here"), "{ran:?}");
    assert_eq!(
        changes(&fake),
        [
            r#"POST /v1/machines/m1/bmc/media {"image":"https://h/a.iso","kind":"cd"}"#,
            r#"POST /v1/machines/m1/bmc/media {"image":"nfs://h/e/a.img","slot":"RemovableDisk","kind":"usb"}"#,
            "DELETE /v1/machines/m1/bmc/media ",
            "DELETE /v1/machines/m1/bmc/media/Cd ",
        ]
    );
}

#[tokio::test]
async fn secure_boot_is_set_and_its_keys_are_reset_only_when_meant() {
    let fake = Fake::start().await;
    let state = |enabled, current| BmcSecureBoot {
        enabled: Some(enabled),
        current: Some(current),
        mode: Some("UserMode".to_owned()),
    };
    let path = "/v1/machines/m1/bmc/secure-boot";
    fake.says(&format!("GET {path}"), 200, &state(true, false));
    fake.says(&format!("PATCH {path}"), 200, &state(true, false));
    fake.says(&format!("PATCH {path}"), 200, &state(false, false));
    fake.says(&format!("POST {path}/reset-keys"), 200, &state(false, false));
    let mut user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc secure-boot show m1").await.out,
        "Secure Boot:  enabled\nAt last boot: disabled\nMode:         UserMode\n"
    );
    let ran = user.run("bmc secure-boot enable m1").await;
    assert_eq!(ran.out, "machine m1: Secure Boot holds from the next boot on\n");
    assert_eq!(user.run("bmc secure-boot disable m1").await.out, "machine m1: Secure Boot does not hold\n");
    let before = changes(&fake).len();
    let ran = user.run("bmc secure-boot reset-keys m1 --to none").await;
    assert!(ran.code == 2 && ran.err.contains("all keys are lost") && ran.err.contains("--yes"), "{ran:?}");
    user.person = true;
    user.types = "n\n".to_owned();
    assert_eq!(user.run("bmc secure-boot reset-keys m1 --to none").await.code, 2);
    assert_eq!(changes(&fake).len(), before);
    user.types = "y\n".to_owned();
    for (to, sent) in [("none", "none"), ("default", "default"), ("no-pk", "no-pk")] {
        let ran = user.run(&format!("bmc secure-boot reset-keys m1 --to {to}")).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(changes(&fake).pop().unwrap(), format!("POST {path}/reset-keys {{\"keys\":\"{sent}\"}}"));
    }
}

fn text(text: &str) -> Option<BmcBiosValue> {
    Some(BmcBiosValue::Text(text.to_owned()))
}

fn setup() -> Vec<BmcBiosAttribute> {
    let words = |words: &[&str]| BmcBiosRule {
        kind: "Enumeration".to_owned(),
        allowed: words.iter().map(|word| (*word).to_owned()).collect(),
        needs_reset: Some(true),
        default: text(words[0]),
        ..BmcBiosRule::default()
    };
    vec![
        BmcBiosAttribute {
            name: "BootMode".to_owned(),
            display_name: Some("Boot Mode".to_owned()),
            value: text("Bios"),
            pending: text("Uefi"),
            rule: Some(words(&["Bios", "Uefi"])),
        },
        BmcBiosAttribute {
            name: "Profile".to_owned(),
            value: text("a"),
            rule: Some(words(&["a", "b", "c", "d", "e", "f"])),
            ..BmcBiosAttribute::default()
        },
        BmcBiosAttribute {
            name: "Delay".to_owned(),
            value: Some(BmcBiosValue::Number(3)),
            rule: Some(BmcBiosRule {
                kind: "Integer".to_owned(),
                least: Some(0),
                most: Some(30),
                step: Some(5),
                ..BmcBiosRule::default()
            }),
            ..BmcBiosAttribute::default()
        },
        BmcBiosAttribute {
            name: "Serial".to_owned(),
            value: text("X\x1b"),
            rule: Some(BmcBiosRule { read_only: true, ..BmcBiosRule::default() }),
            ..BmcBiosAttribute::default()
        },
    ]
}

#[tokio::test]
async fn the_firmwares_setup_is_listed() {
    let fake = Fake::start().await;
    fake.says("GET /v1/machines/m1/bmc/bios", 200, &BmcBiosList { items: setup() });
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc bios list m1").await.out,
        "\
ATTRIBUTE  VALUE  AFTER NEXT BOOT  MAY BE
BootMode   Bios   Uefi             Bios, Uefi
Profile    a      -                a, b, c, d and 2 more
Delay      3      -                0 to 30, in steps of 5
Serial     X\u{fffd}     -                can't be set
"
    );
    let wide = user.run("bmc bios list Profile BootMode m1 -o wide").await.out;
    assert_eq!(
        wide,
        "\
ATTRIBUTE  VALUE  AFTER NEXT BOOT  DEFAULT  NEEDS BOOT  IN THE MENU  MAY BE
Profile    a      -                a        yes         -            a, b, c, d, e, f
BootMode   Bios   Uefi             Bios     yes         Boot Mode    Bios, Uefi
"
    );
    assert_eq!(user.run("bmc bios list m1 --pending -o name").await.out, "BootMode\n");
    let ran = user.run("bmc bios list BootMoed m1").await;
    assert!(ran.code == 5 && ran.err.contains("did you mean BootMode?"), "{ran:?}");
}

#[tokio::test]
async fn the_firmwares_setup_is_changed() {
    let fake = Fake::start().await;
    let path = "/v1/machines/m1/bmc/bios";
    fake.says(&format!("GET {path}"), 200, &BmcBiosList { items: setup() });
    let items = vec![setup().remove(0)];
    let change = BmcBiosChange { applies: BmcBiosApplies::NextBoot, items };
    fake.says(&format!("PATCH {path}"), 200, &change).says(&format!("POST {path}/reset"), 204, &());
    let user = User::of(fake.connection());
    let ran = user.run("bmc bios set bootmode=uefi Delay=5 m1").await;
    assert_eq!(ran.out, "machine m1: BootMode = Uefi after the next boot\n", "{ran:?}");
    let told: BmcBiosChange =
        serde_json::from_str(&user.run("bmc bios set BootMode=Uefi m1 -o json").await.out).unwrap();
    assert_eq!(told, change);
    for (line, want) in [
        ("bmc bios set Bootmodus=Uefi m1", "did you mean BootMode?"),
        ("bmc bios set Delay=soon m1", "Delay is a whole number"),
        ("bmc bios set BootMode m1", "`BootMode` is no attribute with its value"),
        ("bmc bios set m1", "what shall be set?"),
        ("bmc bios reset m1", "add --yes if it is meant"),
    ] {
        let ran = user.run(line).await;
        assert!(ran.code == 2 && ran.err.contains(want), "{line}: {ran:?}");
    }
    assert_eq!(user.run("bmc bios reset m1 --yes").await.code, 0);
    assert_eq!(
        changes(&fake),
        [
            format!(r#"PATCH {path} {{"attributes":{{"BootMode":"Uefi","Delay":5}}}}"#),
            format!(r#"PATCH {path} {{"attributes":{{"BootMode":"Uefi"}}}}"#),
            format!("POST {path}/reset "),
        ]
    );
}

#[tokio::test]
async fn the_boot_order_is_shown_and_set() {
    let fake = Fake::start().await;
    let option = |reference: &str, enabled| BmcBootOption {
        reference: reference.to_owned(),
        name: Some(format!("name of {reference}")),
        enabled,
        uefi_path: Some("PciRoot(0x0)".to_owned()),
    };
    let items =
        vec![option("Boot0003", Some(true)), option("Boot0001", None), option("Boot0002", Some(false))];
    let path = "/v1/machines/m1/bmc/boot-order";
    fake.says(&format!("GET {path}"), 200, &BmcBootOrder { items: items.clone() });
    fake.says(&format!("PUT {path}"), 200, &BmcBootOrder { items });
    let user = User::of(fake.connection());
    assert_eq!(
        user.run("bmc boot-order show m1").await.out,
        "\
REFERENCE  TRIED  NAME
Boot0003   yes    name of Boot0003
Boot0001   -      name of Boot0001
Boot0002   no     name of Boot0002
"
    );
    assert!(user.run("bmc boot-order show m1 -o wide").await.out.contains("  PciRoot(0x0)\n"));
    let ran = user.run("bmc boot-order set Boot0003 Boot0001 m1").await;
    assert_eq!(ran.out, "machine m1: Boot0003, Boot0001 come first\n", "{ran:?}");
    let ran = user.run("bmc boot-order set Boot0001 m1").await;
    assert_eq!(ran.out, "machine m1: Boot0001 comes first after the next boot\n", "{ran:?}");
    let ran = user.run("bmc boot-order set m1").await;
    assert!(ran.code == 2 && ran.err.contains("what comes first?"), "{ran:?}");
    assert_eq!(
        changes(&fake),
        [
            format!(r#"PUT {path} {{"first":["Boot0003","Boot0001"]}}"#),
            format!(r#"PUT {path} {{"first":["Boot0001"]}}"#)
        ]
    );
}
