//! The machine's parts: processors, memory, drives, PCI devices; and its sensors in both forms.

use super::blocks::{Builder, fine, with};
use serde_json::{Value, json};

/// How a profile names parts.
pub(super) struct PartNames<'a> {
    pub(super) processors: &'a [&'a str],
    pub(super) memory: &'a [&'a str],
    /// The storage subsystem.
    pub(super) storage: &'a str,
    /// Its drives; each is below `drives_at` if there is one, else below the storage subsystem.
    pub(super) drives: &'a [&'a str],
    /// The collection that drives are in.
    pub(super) drives_at: Option<&'a str>,
    /// The collection that PCI devices are in, and their ids.
    pub(super) pci_at: &'a str,
    pub(super) pci: &'a [&'a str],
}

impl Builder {
    /// Processors, memory, drives and PCI devices.
    pub(super) fn parts(&mut self, names: &PartNames<'_>) {
        let system = self.system.clone();
        let (processors, memory) = (format!("{system}/Processors"), format!("{system}/Memory"));
        self.members(&processors, "Processor.v1_20_0", names.processors, |number, id| {
            json!({
                "Name": format!("Processor {}", number + 1),
                "Socket": id,
                "ProcessorType": "CPU",
                "ProcessorArchitecture": "x86",
                "InstructionSet": "x86-64",
                "Manufacturer": "Intel(R) Corporation",
                "Model": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
                "MaxSpeedMHz": 4000,
                "OperatingSpeedMHz": 2000,
                "TotalCores": 32,
                "TotalThreads": 64,
                "Status": fine(),
            })
        });
        self.members(&memory, "Memory.v1_20_0", names.memory, |number, id| memory_module(number, id, names));
        self.storage(names);
        let pci = names.pci_at;
        let devices = self.members(pci, "PCIeDevice.v1_16_0", names.pci, |_, id| {
            json!({
                "Name": "Ethernet Network Adapter E810-XXV-2",
                "Manufacturer": "Intel Corporation",
                "Model": "E810-XXV",
                "SerialNumber": "B49691000000",
                "FirmwareVersion": "4.40",
                "DeviceType": "MultiFunction",
                "PCIeFunctions": {"@odata.id": format!("{pci}/{id}/PCIeFunctions")},
                "Status": fine(),
            })
        });
        for device in &devices {
            let functions = format!("{device}/PCIeFunctions");
            self.members(&functions, "PCIeFunction.v1_6_0", &["0"], |_, _| {
                json!({
                    "FunctionId": 0,
                    "FunctionType": "Physical",
                    "DeviceClass": "NetworkController",
                    "ClassCode": "0x020000",
                    "VendorId": "0x8086",
                    "DeviceId": "0x159b",
                    "SubsystemVendorId": "0x8086",
                    "SubsystemId": "0x0003",
                    "Status": fine(),
                })
            });
        }
        let populated = names.memory.len().saturating_sub(1).max(1);
        let mut change = json!({
            "Processors": self.link(&processors),
            "Memory": self.link(&memory),
            "Storage": self.link(&format!("{system}/Storage")),
            "ProcessorSummary": {
                "Count": names.processors.len(),
                "CoreCount": 32 * names.processors.len(),
                "LogicalProcessorCount": 64 * names.processors.len(),
                "Model": "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
                "Status": fine(),
            },
            "MemorySummary": {"TotalSystemMemoryGiB": 32 * populated, "Status": fine()},
        });
        let devices = self.links(&devices);
        if pci.starts_with(&system) {
            change["PCIeDevices"] = devices.into();
        } else {
            self.tree.merge(&self.chassis.clone(), json!({"PCIeDevices": self.link(pci)}));
        }
        self.tree.merge(&system, change);
    }

    fn storage(&mut self, names: &PartNames<'_>) {
        let collection = format!("{}/Storage", self.system);
        let storage = format!("{collection}/{}", names.storage);
        let own = format!("{storage}/Drives");
        let at = names.drives_at.unwrap_or(&own);
        let volumes = format!("{storage}/Volumes");
        let drives: Vec<String> = names.drives.iter().map(|id| format!("{at}/{id}")).collect();
        for (number, path) in drives.iter().enumerate() {
            let more = drive(number);
            self.put(path, "Drive.v1_20_0", &format!("Drive {number}"), more);
        }
        if names.drives_at.is_some() {
            self.tree.collection(at, "Drive", &drives);
            self.tree.merge(&self.chassis.clone(), json!({"Drives": self.link(at)}));
        }
        self.tree.collection::<&str>(&volumes, "Volume", &[]);
        let more = json!({
            "Drives": self.links(&drives),
            "Drives@odata.count": drives.len(),
            "Volumes": self.link(&volumes),
            "Status": fine(),
            "StorageControllers": [{
                "@odata.id": format!("{storage}#/StorageControllers/0"),
                "MemberId": "0",
                "Name": "RAID Controller",
                "Manufacturer": "Broadcom",
                "Model": "MegaRAID 9560-8i",
                "FirmwareVersion": "5.190.02-3614",
                "SpeedGbps": 12,
                "SupportedControllerProtocols": ["PCIe"],
                "SupportedDeviceProtocols": ["SAS", "SATA", "NVMe"],
                "Status": fine(),
            }],
        });
        self.put(&storage, "Storage.v1_17_1", "RAID Controller", more);
        self.tree.collection(&collection, "Storage", &[storage]);
    }

    /// Temperatures, fans and power supplies in the older form: `Thermal` and `Power`.
    pub(super) fn thermal_and_power(&mut self, names: &SensorNames<'_>) {
        let chassis = self.chassis.clone();
        let (thermal, power) = (format!("{chassis}/Thermal"), format!("{chassis}/Power"));
        let place = |list: &str, number: usize, at: &str| format!("{at}#/{list}/{number}");
        let temperatures: Vec<Value> = names
            .temperatures
            .iter()
            .enumerate()
            .map(|(number, (id, name, reading))| {
                json!({
                    "@odata.id": place("Temperatures", number, &thermal),
                    "MemberId": id, "Name": name, "ReadingCelsius": reading, "SensorNumber": number + 1,
                    "UpperThresholdNonCritical": 42 + reading, "UpperThresholdCritical": 47 + reading,
                    "UpperThresholdFatal": 52 + reading, "LowerThresholdCritical": 3,
                    "PhysicalContext": "SystemBoard", "Status": fine(),
                })
            })
            .collect();
        let fans: Vec<Value> = names
            .fans
            .iter()
            .enumerate()
            .map(|(number, id)| {
                json!({
                    "@odata.id": place("Fans", number, &thermal),
                    "MemberId": id, "Name": format!("Fan {}", number + 1), "Reading": 4800 + 120 * number,
                    "ReadingUnits": "RPM", "LowerThresholdCritical": 600, "LowerThresholdNonCritical": 840,
                    "PhysicalContext": "SystemBoard", "Status": fine(),
                })
            })
            .collect();
        let more = json!({"Temperatures": temperatures, "Fans": fans, "Redundancy": [], "Status": fine()});
        self.put(&thermal, "Thermal.v1_7_3", "Thermal", more);
        let supplies: Vec<Value> = names
            .supplies
            .iter()
            .enumerate()
            .map(|(number, id)| with(supply(number, id), json!({
                "@odata.id": place("PowerSupplies", number, &power),
                "LineInputVoltage": 230, "LastPowerOutputWatts": 90 + number, "PowerCapacityWatts": 800,
                "PowerInputWatts": 100 + number,
            })))
            .collect();
        let more = json!({
            "PowerControl": [{
                "@odata.id": place("PowerControl", 0, &power),
                "MemberId": names.power_control, "Name": "System Power Control",
                "PowerConsumedWatts": 190, "PowerCapacityWatts": 1600,
                "PowerLimit": {"LimitInWatts": null, "LimitException": "NoAction"},
                "PowerMetrics": {
                    "IntervalInMin": 60, "MinConsumedWatts": 150, "MaxConsumedWatts": 310,
                    "AverageConsumedWatts": 205,
                },
                "Status": fine(),
            }],
            "PowerSupplies": supplies,
            "Voltages": [{
                "@odata.id": place("Voltages", 0, &power),
                "MemberId": names.voltage, "Name": "12V", "ReadingVolts": 12.1, "SensorNumber": 60,
                "UpperThresholdCritical": 13.2, "LowerThresholdCritical": 10.8,
                "PhysicalContext": "SystemBoard", "Status": fine(),
            }],
        });
        self.put(&power, "Power.v1_7_3", "Power", more);
        self.tree.merge(&chassis, json!({"Thermal": self.link(&thermal), "Power": self.link(&power)}));
        self.tree.places.thermal.push(thermal);
        self.tree.places.power.push(power);
    }

    /// Gives the parts of `Thermal` and `Power` their places as ids, as DSP0266 section 9.5.5 has it; makers name them.
    pub(super) fn number_members(&mut self) {
        let paths = [self.tree.places.thermal.clone(), self.tree.places.power.clone()].concat();
        for path in paths {
            let mut resource = self.tree.get(&path).cloned().unwrap_or_default();
            let lists =
                resource.as_object_mut().into_iter().flatten().filter_map(|(_, value)| value.as_array_mut());
            for list in lists {
                for (number, member) in list.iter_mut().enumerate() {
                    member["MemberId"] = number.to_string().into();
                }
            }
            self.tree.merge(&path, resource);
        }
    }

    /// The same in the newer form: `Sensors`, `ThermalSubsystem`, `PowerSubsystem`, `EnvironmentMetrics`.
    pub(super) fn sensors(&mut self, names: &SensorNames<'_>) {
        let chassis = self.chassis.clone();
        let collection = format!("{chassis}/Sensors");
        let fans: Vec<String> = names.fans.iter().map(|id| id.replace(' ', "")).collect();
        let mut all: Vec<(&str, Value)> = names
            .temperatures
            .iter()
            .map(|(id, name, reading)| {
                (*id, sensor(name, "Temperature", "Cel", f64::from(*reading), 47 + reading))
            })
            .collect();
        all.extend(fans.iter().enumerate().map(|(number, id)| {
            let name = format!("Fan {} speed", number + 1);
            (
                id.as_str(),
                sensor(&name, "Rotational", "{rev}/min", f64::from(4800 + 120 * number as u32), 20_000),
            )
        }));
        all.push((names.power_sensor, sensor("Total power", "Power", "W", 190.0, 1600)));
        let ids: Vec<String> = all.iter().map(|(id, _)| id.replace('#', "")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let paths = self.members(&collection, "Sensor.v1_10_0", &ids, |number, _| all[number].1.clone());
        let (first, last) = (names.temperatures.len(), paths.len() - 1);
        self.thermal_subsystem(&fans, &paths[first..last]);
        self.power_subsystem(names.supplies);
        let metrics = format!("{chassis}/EnvironmentMetrics");
        let more = json!({
            "PowerWatts": {"DataSourceUri": paths[last], "Reading": 190},
            "TemperatureCelsius": {"DataSourceUri": paths[0], "Reading": names.temperatures[0].2},
        });
        self.put(&metrics, "EnvironmentMetrics.v1_4_0", "Environment Metrics", more);
        let change = json!({"Sensors": self.link(&collection), "EnvironmentMetrics": self.link(&metrics)});
        self.tree.merge(&chassis, change);
        self.tree.places.sensors.push(collection);
    }

    fn thermal_subsystem(&mut self, ids: &[String], sensors: &[String]) {
        let path = format!("{}/ThermalSubsystem", self.chassis);
        let (fans, metrics) = (format!("{path}/Fans"), format!("{path}/ThermalMetrics"));
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.members(&fans, "Fan.v1_5_1", &ids, |number, _| {
            json!({
                "SpeedPercent": {"DataSourceUri": sensors[number], "Reading": 40, "SpeedRPM": 4800 + 120 * number},
                "PhysicalContext": "Chassis",
                "Status": fine(),
            })
        });
        let more = json!({"TemperatureSummaryCelsius": {}, "TemperatureReadingsCelsius": []});
        self.put(&metrics, "ThermalMetrics.v1_3_2", "Thermal Metrics", more);
        let more = json!({"Fans": self.link(&fans), "ThermalMetrics": self.link(&metrics), "Status": fine()});
        self.put(&path, "ThermalSubsystem.v1_3_2", "Thermal Subsystem", more);
        self.tree.merge(&self.chassis.clone(), json!({"ThermalSubsystem": self.link(&path)}));
    }

    fn power_subsystem(&mut self, ids: &[&str]) {
        let path = format!("{}/PowerSubsystem", self.chassis);
        let supplies = format!("{path}/PowerSupplies");
        self.members(&supplies, "PowerSupply.v1_6_0", ids, |number, id| {
            let mut value = supply(number, id);
            value["PowerCapacityWatts"] = 800.into();
            if let Some(map) = value.as_object_mut() {
                map.remove("MemberId");
            }
            value
        });
        let more = json!({"PowerSupplies": self.link(&supplies), "CapacityWatts": 1600, "Status": fine()});
        self.put(&path, "PowerSubsystem.v1_1_2", "Power Subsystem", more);
        self.tree.merge(&self.chassis.clone(), json!({"PowerSubsystem": self.link(&path)}));
    }
}

/// How a profile names its sensors.
pub(super) struct SensorNames<'a> {
    /// Id, name, degrees Celsius.
    pub(super) temperatures: &'a [(&'a str, &'a str, i32)],
    pub(super) fans: &'a [&'a str],
    pub(super) supplies: &'a [&'a str],
    pub(super) voltage: &'a str,
    pub(super) power_control: &'a str,
    pub(super) power_sensor: &'a str,
}

/// The last of several slots is empty, as BMCs show it.
fn memory_module(number: usize, id: &str, names: &PartNames<'_>) -> Value {
    if number > 0 && number + 1 == names.memory.len() {
        return json!({"DeviceLocator": id, "CapacityMiB": null, "Status": {"State": "Absent"}});
    }
    json!({
        "DeviceLocator": id,
        "CapacityMiB": 32768,
        "MemoryType": "DRAM",
        "MemoryDeviceType": "DDR4",
        "BaseModuleType": "RDIMM",
        "OperatingSpeedMhz": 3200,
        "AllowedSpeedsMHz": [3200],
        "RankCount": 2,
        "ErrorCorrection": "MultiBitECC",
        "Manufacturer": "Samsung",
        "PartNumber": "M393A4K40EB3-CWE    ",
        "SerialNumber": format!("03A1B2{number:02}"),
        "Status": fine(),
    })
}

fn drive(number: usize) -> Value {
    json!({
        "Manufacturer": "SAMSUNG",
        "Model": "MZ7L3960HCJR",
        "SerialNumber": format!("S662NN0T{number:06}"),
        "PartNumber": "MZ7L3960HCJR-00A07",
        "Revision": "JXTC504Q",
        "CapacityBytes": 960_197_124_096_u64,
        "BlockSizeBytes": 512,
        "MediaType": "SSD",
        "Protocol": "SATA",
        "FailurePredicted": false,
        "PredictedMediaLifeLeftPercent": 99,
        "Status": fine(),
    })
}

fn supply(number: usize, id: &str) -> Value {
    json!({
        "MemberId": id,
        "Name": format!("Power Supply {}", number + 1),
        "Manufacturer": "DELTA",
        "Model": "DPS-800AB",
        "SerialNumber": format!("CNDED00{number:04}"),
        "PartNumber": "0PJMDNA00",
        "FirmwareVersion": "00.1B.53",
        "PowerSupplyType": "AC",
        "Status": fine(),
    })
}

fn sensor(name: &str, kind: &str, units: &str, reading: f64, critical: i32) -> Value {
    json!({
        "Name": name,
        "Reading": reading,
        "ReadingType": kind,
        "ReadingUnits": units,
        "Thresholds": {"UpperCritical": {"Reading": critical}},
        "Status": fine(),
    })
}
